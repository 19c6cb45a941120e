"""``thingmill status``: where a run stands."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.app import command, find_run
from pipeline.cli.parameters import OUTPUT, RUN
from pipeline.cli.saying import say, say_object

if TYPE_CHECKING:
    from pipeline.status import Status


@command(
    "status",
    examples="""
        thingmill status line-7
        thingmill status line-7 --watch
    """,
)
def status(
    run: str = RUN,
    watch: bool = typer.Option(False, "--watch", help="Look again each second until the run ends."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object; with --watch one at each change."),
    output: Path = OUTPUT,
) -> None:
    """Say where a run stands, also while it goes on; change nothing.

    It tells the devices at each step, failures by cause, what is in doubt, the pace, the time left, and which
    process has the run. The exit code is 0 whatever is found.
    """
    from pipeline.errors import InterruptedRunError
    from pipeline.progress.status import page, watch_lines, watch_page
    from pipeline.status import look

    root = find_run(run, output)

    seen: list[Status] = []

    def again() -> Status:
        seen[:] = [look(root, before=seen[0] if seen else None)]
        return seen[0]

    def line(found: Status) -> str:
        return json.dumps(found.to_json())

    if not watch:
        found = look(root)
        if as_json:
            say_object(found.to_json())
        else:
            say(page(found))
        return
    try:
        if as_json:
            watch_lines(again, sys.stdout, line)
        else:
            watch_page(again, sys.stdout)
    except KeyboardInterrupt:
        raise typer.Exit(InterruptedRunError.exit_code) from None
