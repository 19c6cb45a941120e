"""``thingmill plan``: what a run will take, and which limit decides."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from pipeline.cli.app import command, run_async
from pipeline.cli.parameters import (
    ACCOUNT_PANEL,
    CSR_DIR,
    ENDPOINT_URL,
    GROUP,
    KEY,
    MANIFEST,
    PART,
    POLICY,
    PROFILE,
    QUOTA,
    RATE,
    REGION,
    SAYS_PANEL,
    THING_TYPE,
    WORKERS,
)
from pipeline.cli.saying import say, say_object
from pipeline.counting import counted
from pipeline.published import VERSION
from pipeline.settings import KeyType, usable_cores

if TYPE_CHECKING:
    from pipeline.aws.quotas import Grant
    from pipeline.manifest import Totals
    from pipeline.plan import Plan
    from pipeline.settings import Settings


@command(
    "plan",
    examples="""
        # with the quotas of your account, and without asking any
        thingmill plan line-7.csv --profile factory --region eu-central-1
        thingmill plan line-7.csv --offline --key ec-p256
    """,
)
def plan(
    manifest: str = MANIFEST,
    part: str | None = PART,
    workers: str | None = WORKERS,
    rate: float | None = RATE,
    profile: str | None = PROFILE,
    region: str | None = REGION,
    endpoint_url: str | None = ENDPOINT_URL,
    quota: list[str] | None = QUOTA,
    offline: bool = typer.Option(
        False, "--offline", help="Ask no account: the default quotas count.", rich_help_panel=ACCOUNT_PANEL
    ),
    policy: str | None = POLICY,
    thing_type: str | None = THING_TYPE,
    group: list[str] | None = GROUP,
    key: KeyType | None = KEY,
    csr_dir: str | None = CSR_DIR,
    as_json: bool = typer.Option(
        False, "--json", help="One JSON object on standard output.", rich_help_panel=SAYS_PANEL
    ),
) -> None:
    """Say what a run will take: calls, time, and which limit decides.

    It measures how fast this machine makes keys and reads the quotas of the account. It makes nothing.
    """
    given = dict(locals())
    from pipeline.cli.options import resolve
    from pipeline.cores import Keys, time_of_key
    from pipeline.errors import UsageError
    from pipeline.manifest import load, run_settings
    from pipeline.plan import Plan
    from pipeline.progress import validating

    settings = resolve(manifest, given, run_settings(manifest))
    if settings.cluster is not None:
        raise UsageError(
            "a plan is worked out for keys that are made on this machine, not on a cluster",
            advice="give --workers N, with the number of threads that the cluster's workers have in all",
        )
    with validating(manifest, stderr=sys.stderr) as progress:
        roster = load(manifest, settings.defaults, csr_dir=settings.csr_dir, part=settings.part, progress=progress)
    with roster:
        totals = roster.totals()
        counts = roster.key_counts(settings.key_type)
        targets = roster.targets()
        # A million rows of one target need not be copied.
        rosters = roster.split() if len(targets) > 1 else {targets[0]: roster}
        shares = {target: share.totals() for target, share in rosters.items()}
    asked = {
        target.name if len(shares) > 1 else "": (share, _grants(settings.at(*target), offline=offline))
        for target, share in shares.items()
    }
    keys = Keys(counts, {key_type: time_of_key(key_type) for key_type in counts})
    worked_out = Plan.of_several(
        asked, keys, settings.workers, settings.rate, cores=usable_cores(), shared=settings.gives_way
    )
    _print(worked_out, totals, as_json=as_json)


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


def _print(plan: Plan, totals: Totals, *, as_json: bool) -> None:
    from pipeline.plan import as_time

    if as_json:
        numbers = {"devices": plan.devices, "csrs": totals.with_csr, "keys": totals.keys_to_make}
        stages = [asdict(stage) | {"seconds": stage.seconds} for stage in plan.stages]
        say_object({"version": VERSION} | numbers | {"seconds": plan.seconds, "stages": stages})
        return
    if not plan.stages:
        say("no device of the manifest is of this part: it takes no time")
        return
    say(f"{counted(plan.devices, 'device')}, {plan.work.keys.named} keys")
    say(f"{totals.about_keys()}\n")
    rows = [
        (stage.name, f"{stage.count:,}", f"{stage.per_second:,.1f}/s", stage.source, as_time(stage.seconds))
        for stage in plan.stages
    ]
    name, count, rate, source, time = (max(map(len, column)) for column in zip(*rows, strict=True))
    for row in rows:
        say(f"{row[0]:<{name}}  {row[1]:>{count}} at {row[2]:>{rate}}  {row[3]:<{source}}  {row[4]:>{time}}")
    say(f"\nabout {as_time(plan.seconds)}; {plan.stages[0].name} decides")
    for line in plan.advice():
        say(f"  {line}")
