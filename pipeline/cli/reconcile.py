"""``thingmill reconcile``: certificates that were issued and never recorded, found and settled."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from pipeline.cli.app import command, find_run, run_async, settling_seconds
from pipeline.cli.parameters import ENDPOINT_URL, LOCAL, OUTPUT, PROFILE, REGION_OF_RUN, RUN
from pipeline.cli.saying import say


@command(
    "reconcile",
    examples="""
        thingmill reconcile line-7 --profile factory --dry-run
        thingmill reconcile line-7 --profile factory
    """,
)
def reconcile(
    run: str = RUN,
    dry_run: bool = typer.Option(False, "--dry-run", help="Tell what would be settled; change nothing."),
    profile: str | None = PROFILE,
    region: str | None = REGION_OF_RUN,
    endpoint_url: str | None = ENDPOINT_URL,
    local: bool = LOCAL,
    output: Path = OUTPUT,
) -> None:
    """Find certificates that were issued and never recorded.

    Requests without an answer are settled: what was issued is adopted, and what is too many is deleted. A run does
    this by itself when it is resumed; here it is done alone.
    """
    from pipeline.cli.owning import owned_run
    from pipeline.meter import Meter
    from pipeline.progress.lines import PlainLines
    from pipeline.reconcile import Finding, Reconciler
    from pipeline.settings import Access
    from pipeline.stop import Stop

    root = find_run(run, output)
    findings: list[Finding] = []

    async def work() -> None:
        stop = Stop()
        access = Access(profile, region, endpoint_url)
        async with owned_run(root, access, stop, local=local) as owned:
            meter = Meter(listeners=[PlainLines(sys.stderr)])
            reconciler = Reconciler(owned.registry, owned.ledger, meter, stop, settling_seconds())
            await reconciler.settle_all(findings.append, dry_run=dry_run)

    run_async(work)
    for finding in findings:
        if finding.problem:
            say(f"{finding.thing_name}: {finding.problem}")
        elif finding.certificate_id:
            say(f"{finding.thing_name}: {'would adopt' if dry_run else 'adopted'} {finding.certificate_id}")
        else:
            say(f"{finding.thing_name}: no certificate was issued; the next run asks for it again")
    adopted = sum(1 for finding in findings if finding.certificate_id)
    say(f"{len(findings):,} in doubt, {adopted:,} {'found' if dry_run else 'adopted'}")
