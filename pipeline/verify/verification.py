"""Every device of a run held against all that was asked for, some at a time, however long the run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from pipeline.codes import FindingCode
from pipeline.device import State
from pipeline.errors import UsageError
from pipeline.hardening import harden
from pipeline.report.summary import outcome_of
from pipeline.text import printable
from pipeline.verify import offline
from pipeline.verify.findings import Check, Finding, Verdict
from pipeline.verify.strays import strays
from pipeline.verify.trail import Trail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pipeline.layout import RunFolder
    from pipeline.ledger import Entry, Reader
    from pipeline.unsealing import Opener
    from pipeline.verify.connecting import Connector
    from pipeline.verify.remote import Account

__all__ = ["Checks", "Remarks", "verify"]

_NAMES_AT_ONCE = 1000
"""Devices that are picked by name in one question."""


@dataclass(frozen=True, slots=True)
class Checks:
    """What to hold a run against, besides itself and its audit trail.

    Attributes:
        account: Its account, or None.
        connector: Connects with each bundle that is in order and whose key we hold, or None.
        names: Only these devices; empty for all, and for what concerns the run as a whole.
        concurrency: Devices in work at once.
        opener: Opens keys that are encrypted, or None.
    """

    account: Account | None = None
    connector: Connector | None = None
    names: Sequence[str] = ()
    concurrency: int = 16
    opener: Opener | None = None


@dataclass(frozen=True, slots=True)
class Remarks:
    """What was found besides verdicts.

    Attributes:
        torn_lines: Lines of the audit trail that are torn: a kill can leave one.
        unrecorded_things: Things made by a call whose line a kill kept out of the trail.
        refused_as_another: In what words a bundle was refused under another thing's name, or "" where that was
            not tried.
    """

    torn_lines: int = 0
    unrecorded_things: int = 0
    refused_as_another: str = ""


async def verify(reader: Reader, folder: RunFolder, checks: Checks, tell: Callable[[Verdict], None]) -> Remarks:
    """Look at every device of a run.

    Args:
        reader: The run's ledger.
        folder: The run's folder.
        checks: What to hold it against.
        tell: Called with each verdict as it comes: one for each device, and one for each thing that is wrong with
            the run as a whole.

    Raises:
        UsageError: The run has no device of a name that was given.
        RefusedError: AWS refused for all devices alike.
        DiskError: The scratch database cannot be written.
    """
    harden()  # keys are read in this process
    conditions = list(_conditions(reader, checks.names))
    with Trail(folder.audit) as trail:
        await anyio.to_thread.run_sync(trail.load)
        inspector = _Inspector(folder, checks, trail, tell)
        for condition in conditions:
            await inspector.inspect(reader.entries(condition))
        for finding in inspector.of_the_run(reader):
            tell(_of_the_run(finding))
        refused = await inspector.as_another()
        return Remarks(trail.torn, trail.unrecorded_things, refused)


def _conditions(reader: Reader, names: Sequence[str]) -> Iterator[str]:
    """Yield what picks the rows of a ledger that are to be looked at."""
    if not names:
        yield "1"
    numbers: list[str] = []
    for name in dict.fromkeys(names):
        seq = reader.seq_of(name)
        if seq is None:
            raise UsageError(
                f"the run has no device {printable(name, 128)}",
                advice="give a thing name as it stands in summary.csv",
            )
        numbers.append(f"{seq:d}")
    for first in range(0, len(numbers), _NAMES_AT_ONCE):
        yield f"seq IN ({', '.join(numbers[first : first + _NAMES_AT_ONCE])})"


@dataclass(slots=True)
class _Inspector:
    """Holds devices against what was asked for."""

    folder: RunFolder
    checks: Checks
    trail: Trail
    tell: Callable[[Verdict], None]
    connected: Path | None = None
    """The bundle of a device that connected."""
    faultless: bool = True

    async def inspect(self, entries: Iterator[Entry]) -> None:
        """Judge devices, so many at once, and tell of each."""
        # Taken before a task is made, given back when it ends: no more tasks than places, however long the run.
        places = anyio.Semaphore(self.checks.concurrency)

        async def one(entry: Entry, audited: list[Finding]) -> None:
            try:
                self._tell(await self._judge(entry, audited))
            finally:
                places.release()

        async with anyio.create_task_group() as group:
            for entry in entries:
                if entry.outcome in {"skipped", "revoked"}:
                    self._tell(_verdict(entry, (), ()))
                    continue
                await places.acquire()
                group.start_soon(one, entry, self.trail.about(entry))

    def of_the_run(self, reader: Reader) -> Iterator[Finding]:
        """Yield what is wrong with the run as a whole; of some devices, only what the trail says too much."""
        if self.trail.problem is not None:
            yield self.trail.problem
        for thing_name, finding in self.trail.unrecorded(reader):
            if not self.checks.names or thing_name in self.checks.names:
                yield finding
        if not self.checks.names:
            yield from strays(reader, self.folder)

    async def as_another(self) -> str:
        """Where all is well, see that a bundle that connected is refused under another thing's name."""
        if self.checks.connector is None or self.connected is None or not self.faultless:
            return ""
        refused = await self.checks.connector.prove_refused(self.connected)
        if isinstance(refused, str):
            return f"{self.connected.name}'s bundle is refused under another client id, as it must be: {refused}"
        self.tell(_of_the_run(refused))
        return ""

    async def _judge(self, entry: Entry, audited: list[Finding]) -> Verdict:
        checks = {Check.OFFLINE, Check.AUDIT} if self.trail.problem is None else {Check.OFFLINE}
        if entry.state is not State.DONE or entry.certificate is None:
            return _verdict(entry, checks, [_not_done(entry), *audited])
        bundle = self.folder.bundle(entry.device.thing_name)
        opener = self.checks.opener
        findings = await anyio.to_thread.run_sync(offline.look, entry, bundle, datetime.now(UTC), opener)
        usable = not findings
        findings += audited
        if self.checks.account is not None:
            checks.add(Check.REMOTE)
            findings += await self.checks.account.look(entry, entry.certificate)
        key_at_hand = entry.device.csr is None and not self._closed(entry)
        if self.checks.connector is not None and usable and key_at_hand:
            checks.add(Check.CONNECT)
            problems = await self.checks.connector.prove(bundle)
            findings += problems
            self.connected = self.connected or (None if problems else bundle)
        return _verdict(entry, checks, findings, key_closed=self._closed(entry))

    def _closed(self, entry: Entry) -> bool:
        """Whether a key is encrypted, and nothing was given to open it with."""
        name, opener = offline.sealed_key(entry), self.checks.opener
        if name is None:
            return False
        return opener is None or not (opener.identities if name.endswith(".age") else opener.passphrase)

    def _tell(self, verdict: Verdict) -> None:
        self.faultless &= verdict.ok
        self.tell(verdict)


def _not_done(entry: Entry) -> Finding:
    if entry.error is not None:
        error = entry.error
        message = f"it failed at step {error.step}: {printable(error.message)} ({printable(error.code, 80)})"
    else:
        message = f"it is not finished (it stands at {entry.state.name}): run the manifest again"
    return Finding(Check.OFFLINE, FindingCode.NOT_DONE, message)


def _verdict(
    entry: Entry, checks: set[Check] | tuple[()], findings: Sequence[Finding], *, key_closed: bool = False
) -> Verdict:
    return Verdict(
        thing_name=entry.device.thing_name,
        seq=entry.seq,
        certificate_id=entry.certificate.certificate_id if entry.certificate else None,
        outcome=outcome_of(entry),
        checks=frozenset(checks),
        findings=tuple(findings),
        keeps_key=entry.device.csr is not None,
        key_closed=key_closed,
    )


def _of_the_run(finding: Finding) -> Verdict:
    return Verdict(None, 0, None, "", frozenset({finding.check}), (finding,))
