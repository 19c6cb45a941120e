"""``thingmill report``: the reports of a run written again, from its ledger alone."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import typer

from pipeline.cli.app import command, find_run
from pipeline.cli.parameters import OUTPUT, RUN


@command(
    "report",
    examples="""
        thingmill report line-7
        thingmill report output/line-7 --json
    """,
)
def report(
    run: str = RUN,
    as_json: bool = typer.Option(False, "--json", help="Print what summary.json says, as one JSON line."),
    output: Path = OUTPUT,
) -> None:
    """Write the reports of a run again, from its ledger alone.

    These are report.html, summary.csv, summary.json and failed.csv: the same bytes where nothing has changed.
    """
    from pipeline import privacy
    from pipeline.layout import RunFolder
    from pipeline.ledger import live_ledger
    from pipeline.lock import RunLock
    from pipeline.progress import final_table, print_summary
    from pipeline.report import write_all

    root = find_run(run, output)
    privacy.check_run(root)
    # Nobody provisions or revokes meanwhile: what is reported is one instant.
    with RunLock(root / ".lock"), closing(live_ledger(root / "ledger.db")) as reader:
        summary = write_all(reader, RunFolder(root, reader.meta().get("sharded") == str(True)))
    if as_json:
        print_summary(summary, sys.stdout)
    else:
        final_table(summary, stream=sys.stdout)
