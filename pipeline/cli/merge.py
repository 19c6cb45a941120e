"""``thingmill merge``: the reports of several runs as one."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli import completion
from pipeline.cli.app import command, find_run
from pipeline.cli.parameters import CSR_DIR, OUTPUT, RUN_PANEL
from pipeline.cli.runs import RUN_NAME
from pipeline.cli.saying import say, say_object
from pipeline.counting import counted, verb
from pipeline.errors import UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.ledger import Listed
    from pipeline.merge import Merged

_PART = re.compile(r"-[0-9]+-of-[0-9]+$")
_NAMED = 5
"""Devices of a kind that are named on a terminal."""


@command(
    "merge",
    examples="""
        # the two parts of a manifest, which came from two stations
        thingmill merge line-7-1-of-2 line-7-2-of-2 --manifest line-7.csv
        thingmill merge station-a/line-7 station-b/line-8 --name monday
    """,
)
def merge(
    runs: list[str] = typer.Argument(
        metavar="RUN...", help="Names of runs, or their folders.", autocompletion=completion.runs
    ),
    manifest: str | None = typer.Option(
        None,
        "--manifest",
        metavar="MANIFEST",
        help="What they were to provision: devices that no run has, or that it does not name, are told.",
        rich_help_panel=RUN_PANEL,
    ),
    csr_dir: str | None = CSR_DIR,
    name: str | None = typer.Option(
        None,
        "--name",
        metavar="NAME",
        show_default="the parts' common name and -merged",
        help="The name of the folder of the reports.",
        rich_help_panel=RUN_PANEL,
    ),
    output: Path = OUTPUT,
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Join the reports of runs, and find what is double or missing.

    The runs are not changed. The exit code is 1 unless every device is settled (done, skipped or revoked) and none
    is being taken back, no part is missing, no run has a device that --manifest does not name, and none has or may
    have two certificates.
    """
    from pipeline.manifest import load
    from pipeline.merge import merge as join
    from pipeline.progress import final_table, validating
    from pipeline.settings import Defaults

    folders = [find_run(run, output) for run in runs]
    into = output / _name(name, folders)
    with ExitStack() as stack:
        roster = None
        if manifest is not None:
            progress = stack.enter_context(validating(manifest, stderr=sys.stderr))
            # Only names matter here, and with a type a thing may have the most attributes.
            defaults = Defaults(thing_type="any")
            folder = Path(csr_dir) if csr_dir else None
            roster = stack.enter_context(load(manifest, defaults, csr_dir=folder, progress=progress))
        merged = join(folders, into, roster.path if roster else None)
    if as_json:
        say_object(_document(merged))
    else:
        final_table(merged.summary, stream=sys.stdout)
        for line in _lines(merged, manifest):
            say(line)
    if not merged.is_whole:
        raise typer.Exit(1)


def _name(given: str | None, folders: Sequence[Path]) -> str:
    """Return the name of the folder of the reports: what the runs' names have in common, or what is given."""
    stems = {_PART.sub("", folder.resolve().name) for folder in folders}
    if given is None and len(stems) > 1:
        raise UsageError("these runs have no name in common", advice="give the reports of all of them a --name")
    name = given if given is not None else f"{stems.pop()}-merged"
    if not RUN_NAME.fullmatch(name):
        raise UsageError(
            f"{printable(name)} cannot name a run",
            advice="give --name 1 to 128 of a-z A-Z 0-9 . _ - that begin with a letter or digit",
        )
    return name


def _lines(merged: Merged, manifest: str | None) -> list[str]:
    lines = []
    for run, left in merged.revoking.items():
        devices = counted(left, "device")
        lines.append(f"a revoke of {run} was begun: {devices} {verb('are', left)} left to take back")
    if number := merged.overlaps.number:
        named = [f"{each.thing_name} ({' and '.join(each.runs)})" for each in merged.overlaps.examples]
        lines.append(f"{counted(number, 'device')} {verb('are', number)} in two runs: {_some(named, number)}")
    if number := merged.overlaps.doubled:
        lines.append(f"{number:,} of them {verb('have', number)} two certificates: see the failures above")
    if manifest is not None:
        shown = printable(Path(manifest).name)
        lines += _told(merged.gaps, f"of {shown}", "in no run")
        lines += _told(merged.strangers, "of the runs", f"not in {shown}")
    return lines


def _told(listed: Listed, of: str, where: str) -> list[str]:
    number = listed.number
    if not number:
        return []
    return [f"{counted(number, 'device')} {of} {verb('are', number)} {where}: {_some(listed.names, number)}"]


def _some(names: Sequence[str], number: int) -> str:
    shown = ", ".join(names[:_NAMED])
    return f"{shown} and {number - _NAMED:,} more" if number > _NAMED else shown


def _document(merged: Merged) -> dict[str, object]:
    from pipeline.published import VERSION
    from pipeline.report import document

    overlaps = merged.overlaps
    return {
        "version": VERSION,
        "runs": merged.runs,
        "missing_parts": merged.missing,
        "overlaps": {
            "number": overlaps.number,
            "with_two_certificates": overlaps.doubled,
            "examples": [
                {"thing": each.thing_name, "runs": each.runs, "two_certificates": each.doubled}
                for each in overlaps.examples
            ],
        },
        "in_no_run": merged.gaps._asdict(),
        "not_in_manifest": merged.strangers._asdict(),
        "revoke_left": [{"run": run, "devices": left} for run, left in merged.revoking.items()],
        "whole": merged.is_whole,
        "summary": document(merged.summary),
    }
