"""``thingmill plan``: what a run will take, and which limit decides."""

from __future__ import annotations

import json
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from pipeline.cli.app import MANIFEST, command, run_async
from pipeline.settings import KeyType, usable_cores

if TYPE_CHECKING:
    from pipeline.aws.quotas import Grant
    from pipeline.plan import Plan
    from pipeline.settings import Settings


@command("plan")
def plan(
    manifest: str = MANIFEST,
    profile: str | None = typer.Option(None, "--profile", help="AWS profile."),
    region: str | None = typer.Option(None, "--region", help="AWS Region."),
    endpoint_url: str | None = typer.Option(None, "--endpoint-url", metavar="URL", help="Instead of AWS."),
    offline: bool = typer.Option(False, "--offline", help="With the default quotas; ask no account."),
    key: KeyType | None = typer.Option(None, "--key", show_default="rsa-4096", help="The keys to make."),
    workers: str | None = typer.Option(None, "--workers", metavar="N", help="Processes that make keys."),
    rate: float | None = typer.Option(None, "--rate", min=0.001, help="Devices per second at most."),
    quota: list[str] | None = typer.Option(None, "--quota", metavar="API=TPS", help="As for run."),
    policy: str | None = typer.Option(None, "--policy", metavar="NAME|FILE.json", help="As for run."),
    thing_type: str | None = typer.Option(None, "--thing-type", help="For rows that name none."),
    group: list[str] | None = typer.Option(None, "--group", help="For rows that name none."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Say what a run will take: calls per API, time, and which limit decides."""
    given = dict(locals())
    from pipeline.cli.options import resolve
    from pipeline.cores import time_of_key
    from pipeline.manifest import load, run_settings
    from pipeline.plan import Plan
    from pipeline.progress import validating

    settings = resolve(manifest, given, run_settings(manifest))
    with validating(manifest, stderr=sys.stderr) as progress:
        roster = load(manifest, settings.defaults, progress=progress)
    with roster:
        totals = roster.totals()
    grants = _grants(settings, offline=offline)
    seconds = time_of_key(settings.key_type)
    worked_out = Plan.of(
        totals, grants, settings.key_type, settings.workers, seconds, settings.rate, cores=usable_cores()
    )
    _print(worked_out, as_json=as_json)


def _grants(settings: Settings, *, offline: bool) -> dict[str, Grant]:
    from pipeline.aws import quotas
    from pipeline.aws.session import open_registry
    from pipeline.stop import Stop

    access = settings.access
    if offline:
        return quotas.granted(access.region or "", access.quotas)
    found: dict[str, Grant] = {}

    async def ask() -> None:
        async with AsyncExitStack() as stack:
            registry, caller = await open_registry(stack, access, None, Stop(), connections=2)
            await registry.get_caller_identity()
            found.update(caller.grants)

    run_async(ask)
    return found


def _print(plan: Plan, *, as_json: bool) -> None:
    from pipeline.plan import as_time

    if as_json:
        stages = [asdict(stage) | {"seconds": stage.seconds} for stage in plan.stages]
        typer.echo(json.dumps({"devices": plan.devices, "seconds": plan.seconds, "stages": stages}))
        return
    typer.echo(f"{plan.devices:,} {'device' if plan.devices == 1 else 'devices'}, {plan.key_type} keys\n")
    rows = [
        (stage.name, f"{stage.count:,}", f"{stage.per_second:,.1f}/s", stage.source, as_time(stage.seconds))
        for stage in plan.stages
    ]
    name, count, rate, source, time = (max(map(len, column)) for column in zip(*rows, strict=True))
    for row in rows:
        typer.echo(
            f"{row[0]:<{name}}  {row[1]:>{count}} at {row[2]:>{rate}}  {row[3]:<{source}}  {row[4]:>{time}}"
        )
    typer.echo(f"\nabout {as_time(plan.seconds)}; {plan.stages[0].name} decides")
    for line in plan.advice():
        typer.echo(f"  {line}")
