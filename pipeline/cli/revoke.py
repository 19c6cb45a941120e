"""``thingmill revoke``: a run taken back, with its plan shown first."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline.cli.app import command, find_run, run_async, settling_seconds
from pipeline.cli.parameters import (
    DEVICE,
    ENDPOINT_URL,
    LOCAL,
    OUTPUT,
    PROFILE,
    QUOTA,
    REGION_OF_RUN,
    RUN,
    RUN_PANEL,
    SAYS_PANEL,
    YES,
)
from pipeline.cli.saying import ask_to_go_on, say, say_object
from pipeline.counting import counted, plural, verb
from pipeline.errors import UsageError
from pipeline.published import VERSION
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.cli.owning import OwnedRun
    from pipeline.progress import Kind
    from pipeline.revocation import Plan
    from pipeline.scope import Scope
    from pipeline.stop import Stop


@command(
    "revoke",
    examples="""
        # the plan first, then all of it, with the things that the run made
        thingmill revoke line-7 --profile factory --things --dry-run
        thingmill revoke line-7 --profile factory --things
        # only what failed
        thingmill revoke line-7 --profile factory --failed-only
        # stopped, and the rest is to be kept: only what was begun with
        thingmill revoke line-7 --profile factory --begun-only
    """,
)
def revoke(
    run: str = RUN,
    device: list[str] | None = DEVICE,
    failed_only: bool = typer.Option(
        False, "--failed-only", help="Only devices that failed.", rich_help_panel=RUN_PANEL
    ),
    begun_only: bool = typer.Option(
        False,
        "--begun-only",
        help="Only devices that a revoke was stopped in the middle of; those it had not begun with are kept.",
        rich_help_panel=RUN_PANEL,
    ),
    things: bool = typer.Option(
        False,
        "--things",
        help="Delete the things that the run made, and its groups and policies, too.",
        rich_help_panel=RUN_PANEL,
    ),
    purge: bool = typer.Option(
        False, "--purge", help="Remove the folders of keys and bundles, too.", rich_help_panel=RUN_PANEL
    ),
    output: Path = OUTPUT,
    profile: str | None = PROFILE,
    region: str | None = REGION_OF_RUN,
    endpoint_url: str | None = ENDPOINT_URL,
    local: bool = LOCAL,
    quota: list[str] | None = QUOTA,
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Show the plan; change nothing.", rich_help_panel=SAYS_PANEL
    ),
    yes: bool = YES,
    as_json: bool = typer.Option(
        False, "--json", help="Events as JSON lines on standard output.", rich_help_panel=SAYS_PANEL
    ),
) -> None:
    """Take a run back: its certificates are withdrawn and deleted.

    It shows its plan, asks, and detaches, deactivates and deletes each certificate. Run it again to resume. What
    cannot be taken back is named with its reason, and the exit code is 1.
    """
    from pipeline.aws import quotas
    from pipeline.cli.owning import owned_run
    from pipeline.scope import Scope
    from pipeline.settings import Access
    from pipeline.stop import Stop

    if not (yes or dry_run or (sys.stdin.isatty() and sys.stderr.isatty())):
        raise UsageError(
            "a revoke cannot be undone, and nobody is at a terminal to be asked",
            advice="look at the plan with --dry-run, then add --yes",
        )
    if begun_only and (device or failed_only):
        raise UsageError(
            "--begun-only names devices itself", advice="leave out --device and --failed-only, or --begun-only"
        )
    root = find_run(run, output)
    access = Access(profile, region, endpoint_url, dict(quotas.parse(option) for option in quota or ()))
    scope = Scope(tuple(dict.fromkeys(device or ())), failed_only, begun_only, things, purge)
    work = _Work(scope, as_json)

    def once(*, execute: bool) -> None:
        stop = Stop()

        async def owned() -> None:
            async with owned_run(root, access, stop, local=local, connections=_connections()) as taken:
                await work.look(taken)
                if execute:
                    await work.execute(taken, stop)

        run_async(owned)

    if not yes:
        once(execute=False)
        if dry_run:
            return
        # Where nothing is left, reports and listings may be: a kill can come before they are written.
        if not work.is_empty:
            ask_to_go_on()
    once(execute=True)
    if work.kept:
        raise typer.Exit(1)


def _connections() -> int:
    from pipeline.revoke import LANES

    return LANES


class _Work:
    """One invocation: its plan, shown once, and what comes of it."""

    def __init__(self, scope: Scope, as_json: bool) -> None:
        self._scope = scope
        self._as_json = as_json
        self._plan: Plan | None = None
        self.kept = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return self._plan is None or self._plan.is_empty

    async def look(self, owned: OwnedRun) -> None:
        """Show the plan, unless this very one was shown already.

        Raises:
            UsageError: The run has no such device, or is not as it was when the plan was shown.
        """
        from pipeline.revocation import look

        before, self._plan = self._plan, look(owned.ledger.read, owned.folder, self._scope)
        if before == self._plan:
            return
        if before is not None:
            raise UsageError("the run changed while you were asked; nothing was done", advice="run it again")
        identity = await owned.registry.get_caller_identity()
        where = {"account": identity.account, "region": owned.registry.region, "identity": identity.arn}
        if self._as_json:
            plan = {"event": "plan", "version": VERSION, "run": _name(owned), **asdict(self._plan), **where}
            say_object(plan)
            return
        say(f"account {identity.account} in {owned.registry.region} as {printable(identity.arn)}")
        for line in _lines(self._plan, self._scope, _name(owned)):
            say(line)

    async def execute(self, owned: OwnedRun, stop: Stop) -> None:
        """Carry the plan out, and say what came of it; what ends it early is raised."""
        from pipeline.meter import Meter
        from pipeline.progress import print_summary, revoking
        from pipeline.revoke import Revoke
        from pipeline.signals import draining

        kind: Kind = "json" if self._as_json else "auto"
        total = max(self._plan.devices, self._plan.things, self._plan.folders) if self._plan else 0
        meter, name = Meter(), _name(owned)
        with revoking(name, total, kind=kind, stdout=sys.stdout, stderr=sys.stderr) as watcher:
            meter.listeners.append(watcher)
            job = Revoke(
                owned.folder, owned.ledger, owned.registry, self._scope, watcher, meter, settling_seconds(), stop
            )

            def stopping() -> None:
                stop.request()
                watcher.stopping()

            try:
                with draining(stopping):
                    await job.execute()
            finally:
                self.kept = job.kept
                if job.summary is not None and self._as_json:
                    print_summary(job.summary, sys.stdout)
        if self._as_json or self.is_empty:
            return
        say(f"{name}: {counted(job.taken, 'device')} taken back")
        if job.kept:
            say(f"{job.kept:,} could not be; mend what is named above, then run the same command again")


def _lines(plan: Plan, scope: Scope, name: str) -> Iterator[str]:
    """Yield the plan for a person."""
    if plan.is_empty:
        yield f"{name}: nothing is left to take back"
        if plan.given_up:
            yield _kept(plan)
        return
    yield f"{counted(plan.devices, 'device')} of {name} {verb('are', plan.devices)} to be taken back:"
    made = [
        (len(names), kind, f" that the run made, deleted: {', '.join(names)}") for kind, names in plan.made.items()
    ]
    rows = [
        (plan.certificates, "certificate", ", detached from all things and policies, set inactive and deleted"),
        (plan.in_doubt, "request", " without an answer, settled first: each may have issued one more"),
        (plan.rejected, "certificate", " that failed inspection and may not be gone yet"),
        (plan.things, "thing", " that the run made, deleted"),
        *made,
        (plan.folders, "folder", " with keys and bundles, removed with what export/ has of these devices"),
        (plan.retired, "device", " left without any certificate: what there was before was retired"),
        (len(plan.listings), "listing", f", cleared of them: {', '.join(plan.listings)}"),
    ]
    yield from (f"{number:>9,} {plural(noun, number)}{what}" for number, noun, what in rows if number)
    stays = [] if scope.things else ["things (see --things)"]
    stays.append("what was exported with --to" if scope.purge else "keys and bundles on disk (see --purge)")
    yield f"what stays: {', '.join(stays)}"
    if plan.given_up:
        yield _kept(plan)


def _kept(plan: Plan) -> str:
    number = plan.given_up
    return f"{counted(number, 'device')} of a revoke that was begun {verb('are', number)} kept"


def _name(owned: OwnedRun) -> str:
    return printable(owned.folder.root.resolve().name, 128)
