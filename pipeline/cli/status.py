"""``thingmill status``: where a run stands."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.app import OUTPUT, RUN, command, find_run
from pipeline.cli.saying import say

if TYPE_CHECKING:
    from pipeline.status import Status


@command("status")
def status(
    run: str = RUN,
    watch: bool = typer.Option(False, "--watch", help="Look again each second until the run ends."),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON object; with --watch one for each change."),
    output: Path = OUTPUT,
) -> None:
    """Say where a run stands, also while another process has it. Changes nothing."""
    from pipeline.errors import InterruptedRunError
    from pipeline.progress.status import page, watch_lines, watch_page
    from pipeline.status import look

    root = find_run(run, output)

    def shown(found: Status) -> str:
        return json.dumps(found.to_json()) if as_json else page(found)

    if not watch:
        say(shown(look(root)))
        return
    try:
        if as_json:
            watch_lines(lambda: look(root), sys.stdout, shown)
        else:
            watch_page(lambda: look(root), sys.stdout)
    except KeyboardInterrupt:
        raise typer.Exit(InterruptedRunError.exit_code) from None
