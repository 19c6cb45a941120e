"""All checks of a run before its first device, those that wait for an answer at the same time."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
import anyio.to_thread

from pipeline.aws.failures import CallError
from pipeline.layout import RunFolder
from pipeline.preflight import account, credentials, machine, permissions, samples
from pipeline.preflight.remaining import Remaining

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pipeline.aws.registry import Identity, Registry
    from pipeline.local import Embedded
    from pipeline.manifest import Roster
    from pipeline.preflight.account import Account
    from pipeline.preflight.company import Company
    from pipeline.preflight.finding import Finding
    from pipeline.settings import Settings

__all__ = ["check"]

T = TypeVar("T")


async def check(
    registry: Registry,
    settings: Settings,
    roster: Roster,
    embedded: Embedded | None,
    company: Company | None = None,
) -> Account:
    """Look at everything that a run relies on, changing nothing.

    Args:
        registry: AWS IoT.
        settings: What the run is asked to do.
        roster: Its manifest.
        embedded: The embedded AWS IoT, when the run is against it.
        company: The runs of this process, where there are several; whoever begins them sees to the room on disk.

    Raises:
        UsageError: Another of the runs has the same account and Region by another name.
        RefusedError: The credentials are not accepted, or may not do what the run needs, or something is missing
            that is not to be made; the message names each thing and where the manifest asks for it.
        DiskError: The run folder cannot be written, cannot keep a key to its owner, or has no room for the run.
    """
    try:
        identity = await registry.get_caller_identity()
    except CallError as error:
        raise error.for_run() from error
    twin = company.enter(settings, identity.account, registry.region) if company is not None else None
    found = _Question(partial(account.look, registry, settings, roster, embedded, identity))
    trial = _Question(partial(anyio.to_thread.run_sync, machine.trustworthy, settings.run_folder))
    simulated = _Question(partial(permissions.ask, registry, identity, settings, roster))
    async with anyio.create_task_group() as group:
        for question in (found, trial) if embedded is not None else (found, trial, simulated):
            group.start_soon(question.put)
    findings = [trial.answer()]
    if embedded is None:
        # Denied operations come before what the account says, since it may have said no for that very reason.
        missing = None if found.failed else found.answer().missing
        findings.append(permissions.judge(simulated.answer(), missing, identity.arn))
    ready = found.answer()
    if company is None:
        remaining = Remaining.of(roster, RunFolder(settings.run_folder, settings.shard).ledger, settings.key_type)
        further = await anyio.to_thread.run_sync(samples.weigh, settings.formats, ready.endpoint)
        need = machine.Need(settings.run_folder, *remaining.new, len(ready.endpoint.roots), further)
        findings.append(machine.room(need))
        beside = []
    else:
        remaining, beside = company.left[settings.run_folder], company.beside(settings)
    if twin is not None:
        findings.append(twin)
    seconds = remaining.seconds(registry.grants, settings, beside)
    findings += _times(registry, identity, seconds, embedded, is_alone=not beside)
    return replace(ready, findings=tuple(findings))


def _times(
    registry: Registry, identity: Identity, seconds: float, embedded: Embedded | None, *, is_alone: bool
) -> list[Finding]:
    """Hold this machine's clock and the credentials' end against AWS's clock, but for the embedded one."""
    if embedded is not None:
        return []
    theirs = identity.clock + time.monotonic()
    now = datetime.fromtimestamp(theirs, UTC)
    return [
        machine.clock(time.time() - theirs),
        credentials.outlast(registry.credentials_end, now, timedelta(seconds=seconds), is_alone=is_alone),
    ]


class _Question(Generic[T]):
    """Something asked beside other things; its answer, or its failure, is looked at when its turn comes."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._answers: list[T] = []
        self._failure: Exception | None = None

    async def put(self) -> None:
        try:
            self._answers.append(await self._ask())
        except Exception as error:  # noqa: BLE001  raised in its turn, by ``answer``
            self._failure = error

    @property
    def failed(self) -> bool:
        return self._failure is not None

    def answer(self) -> T:
        if self._failure is not None:
            raise self._failure
        return self._answers[0]
