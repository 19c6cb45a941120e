"""``thingmill check``: read and validate a manifest, submit nothing."""

from __future__ import annotations

import sys

import typer

from pipeline.cli.app import MANIFEST, command, show
from pipeline.cli.saying import say, say_object
from pipeline.errors import ManifestError


@command("check")
def check(
    manifest: str = MANIFEST,
    thing_type: str | None = typer.Option(None, "--thing-type", help="For rows that name none."),
    group: list[str] | None = typer.Option(None, "--group", help="For rows that name none."),
    billing_group: str | None = typer.Option(None, "--billing-group", help="For rows that name none."),
    policy: str | None = typer.Option(None, "--policy", metavar="NAME|FILE.json", help="For rows that name none."),
    csr_dir: str | None = typer.Option(None, "--csr-dir", metavar="DIR", help="As for run."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Read and validate a manifest; submit nothing.

    Every fault is named as FILE:LINE:COLUMN on standard output. Exit code 2 when there is one.
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
            names = {
                "thing_types": sorted(roster.thing_types()),
                "thing_groups": sorted(roster.groups()),
                "billing_groups": sorted(roster.billing_groups()),
                "policies": sorted(roster.policies()),
            }
    except ManifestError as error:
        for fault in error.faults:
            line = {"file": fault.file, "line": fault.line, "column": fault.column, "reason": fault.reason}
            if as_json:
                say_object(line)
            else:
                say(str(fault))
        show(_already_listed(error))
        raise typer.Exit(error.exit_code) from None
    if as_json:
        say_object({"things": totals.devices, "csrs": totals.with_csr, "keys": totals.keys_to_make, **names})
        return
    say(f"{totals.devices:,} {'thing' if totals.devices == 1 else 'things'}, no fault")
    say(totals.about_keys())
    for kind, found in names.items():
        if found:
            say(f"{kind.replace('_', ' ')}: {', '.join(found)}")


def _already_listed(error: ManifestError) -> ManifestError:
    error.details = (f"… and {error.total - len(error.faults):,} more",) if error.total > len(error.faults) else ()
    error.total = 0
    return error
