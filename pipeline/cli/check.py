"""``thingmill check``: read and validate a manifest, submit nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from pipeline.cli.app import command, show
from pipeline.cli.parameters import BILLING_GROUP, CSR_DIR, GROUP, MANIFEST, POLICY, THING_TYPE
from pipeline.cli.saying import say, say_object
from pipeline.counting import counted
from pipeline.errors import ManifestError
from pipeline.published import VERSION
from pipeline.text import printable

if TYPE_CHECKING:
    from pipeline.manifest.faults import Fault


@command(
    "check",
    examples="""
        thingmill check line-7.csv
        thingmill check line-7.txt --csr-dir csrs
    """,
)
def check(
    manifest: str = MANIFEST,
    policy: str | None = POLICY,
    thing_type: str | None = THING_TYPE,
    group: list[str] | None = GROUP,
    billing_group: str | None = BILLING_GROUP,
    csr_dir: str | None = CSR_DIR,
    as_json: bool = typer.Option(False, "--json", help="A JSON line for each fault, and for the result."),
) -> None:
    """Read and validate a manifest; submit nothing.

    Every fault is named as FILE:LINE:COLUMN on standard output, and the exit code is 2 where there is one.
    """
    given = dict(locals())
    from pipeline.cli.options import resolve
    from pipeline.manifest import load, run_settings
    from pipeline.progress import validating

    try:
        settings = resolve(manifest, given, run_settings(manifest))
        with validating(manifest, stderr=sys.stderr) as progress:
            roster = load(manifest, settings.defaults, csr_dir=settings.csr_dir, progress=progress)
        with roster:
            totals = roster.totals()
            targets = roster.target_counts()
            names = {
                "thing_types": sorted(roster.thing_types()),
                "thing_groups": sorted(roster.groups()),
                "billing_groups": sorted(roster.billing_groups()),
                "policies": sorted(roster.policies()),
            }
    except ManifestError as error:
        for fault in error.faults:
            if as_json:
                say_object(_event_of(fault))
            else:
                say(str(fault))
        if as_json:
            say_object({"event": "summary", "version": VERSION, "faults": error.total})
        show(_already_listed(error))
        raise typer.Exit(error.exit_code) from None
    if as_json:
        numbers = {"things": totals.devices, "csrs": totals.with_csr, "keys": totals.keys_to_make}
        listed = [
            {"profile": printable(profile, 128), "region": printable(region, 128), "things": number}
            for (profile, region), number in targets.items()
        ]
        say_object({"event": "summary", "version": VERSION, "faults": 0, **numbers, **names, "targets": listed})
        return
    say(f"{counted(totals.devices, 'thing')}, no fault")
    say(totals.about_keys())
    for kind, found in names.items():
        if found:
            say(f"{kind.replace('_', ' ')}: {', '.join(found)}")
    if any(map(any, targets)):
        said = ", ".join(f"{target} ({number:,})" for target, number in targets.items())
        say(f"accounts and Regions: {said}")


def _event_of(fault: Fault) -> dict[str, str | int]:
    where: dict[str, str | int] = {"line": fault.line, "column": fault.column}
    return {"event": "fault", "file": printable(fault.file, 4096), **where, "reason": fault.reason}


def _already_listed(error: ManifestError) -> ManifestError:
    error.details = (f"… and {error.total - len(error.faults):,} more",) if error.total > len(error.faults) else ()
    error.total = 0
    return error
