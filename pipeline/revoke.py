"""A run taken back: every device's certificate, and what else of it is asked for, through lanes as in ``run``.

A device is marked as revoked when nothing of it is left that was to go, so a revoke that was killed goes on where
it stood when it is run again, and one that is finished has nothing to do. Devices whose last request has no answer
come first: what that request issued must be known before it can be taken away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.to_thread

from pipeline import begun, report
from pipeline.arns import CERTIFICATE_ID
from pipeline.aws.failures import CallError, Failure
from pipeline.counting import counted, verb
from pipeline.device import State
from pipeline.errors import DeviceError, DiskError, InterruptedRunError, ThingmillError
from pipeline.inspection import public_key_hash
from pipeline.made import Made
from pipeline.purge import has_folders
from pipeline.reconcile import SETTLING_SECONDS, Reconciler
from pipeline.relisting import relist
from pipeline.resources import delete_made
from pipeline.revocation import look
from pipeline.scope import Selection
from pipeline.stop import Stop, StoppedError
from pipeline.undoing import undo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from pipeline.aws.registry import Registry
    from pipeline.layout import RunFolder
    from pipeline.ledger import Entry, Ledger
    from pipeline.meter import Meter
    from pipeline.revocation import Plan
    from pipeline.scope import Scope

__all__ = ["LANES", "Revoke", "Watcher"]

LANES = 64
"""Devices in work at once. Most wait for a look: only those of which something was changed are finished after a
Ctrl-C, which takes seconds."""

_DOUBTS = 1000
"""Requests without an answer that share a look at the account's certificates."""

_MOST_UNANSWERED = 20
"""Devices in a row for which AWS gave no answer, each after several tries, that end the command."""


_EVERYBODYS = "LimitExceededException"
"""Nothing is added here that could be one too many: where a limit is reached, it is reached for every device."""


class Watcher(Protocol):
    """Is told what becomes of each device."""

    def revoked(self, thing_name: str) -> None:
        """A device is taken back, durably."""

    def stays(self, thing_name: str, reason: str) -> None:
        """Something of a device could not be taken back; ``reason`` may be foreign text."""

    def note(self, message: str) -> None:
        """Something that a person should know."""


@dataclass(slots=True)
class Revoke:
    """One revoke of a run that this process owns.

    Attributes:
        folder: The run's folder.
        ledger: The run's ledger.
        registry: AWS IoT, whose calls stand in the run's audit trail already.
        scope: What is asked for.
        watcher: Is told what becomes of each device.
        meter: Is told what becomes of requests without an answer.
        settling: Seconds until a certificate that is not listed is taken as not issued.
        stop: Ends the revoke early, in order.
        taken: How many devices were taken back.
        kept: How many devices, and names that the run made, could not be taken back.
        summary: What the reports say, once they are written.
    """

    folder: RunFolder
    ledger: Ledger
    registry: Registry
    scope: Scope
    watcher: Watcher
    meter: Meter
    settling: float = SETTLING_SECONDS
    stop: Stop = field(default_factory=Stop)
    taken: int = 0
    kept: int = 0
    summary: report.Summary | None = None
    _fatal: ThingmillError | None = None
    _unanswered: int = 0
    _unsettled: dict[int, str] = field(default_factory=dict)
    _rejected: dict[str, str] = field(default_factory=dict)

    def plan(self) -> Plan:
        """Return what ``execute`` would do now (``revocation.look``)."""
        return look(self.ledger.read, self.folder, self.scope)

    async def execute(self) -> None:
        """Take back what is asked for, and write the run's reports again.

        Raises:
            RefusedError: AWS refused for the revoke as a whole.
            CallError: AWS gave no answer, again and again.
            DiskError: The disk refused.
            InterruptedRunError: The revoke was asked to stop; running it again goes on with it.
        """
        if not self.plan().is_empty:
            await self._guarded(lambda: begun.begin(self.ledger, self.scope))
            chosen = Selection.of(self.scope, self.ledger.read)
            reconciler = Reconciler(self.registry, self.ledger, self.meter, self.stop, self.settling)
            await self._guarded(lambda: self._finish_rejections(reconciler))
            reconciler.told.expect(self.ledger.read.count(chosen.doubtful))
            await self._each(chosen.doubtful, _DOUBTS, lambda entry: self._settle(entry, reconciler))
            await self._each(chosen.entries, LANES, self._take_back)
            await self._guarded(lambda: self._delete_made(chosen))
        await self._guarded(self._end)
        try:
            await self._relist()
            self.summary = await anyio.to_thread.run_sync(report.write_all, self.ledger.read, self.folder)
        except DiskError as error:
            # What stopped the revoke comes before what became of the reports.
            self._abort(error)
        if self._fatal is not None:
            raise self._fatal
        if self.stop.requested:
            left = begun.begun(self.ledger.read).left
            raise InterruptedRunError(
                f"the revoke was stopped; what was in flight is recorded, {counted(left, 'device')} left",
                advice="run the same command again: it goes on from here; to keep what is left, run it with "
                "--begun-only",
            )

    async def _end(self) -> None:
        """Note that the revoke has come to its end, whatever stays."""
        if given_up := await begun.end(self.ledger, self.scope):
            kept = f"{counted(given_up, 'device')} of a revoke that was begun {verb('are', given_up)} kept"
            self.watcher.note(kept)

    async def _finish_rejections(self, reconciler: Reconciler) -> None:
        """Have no certificate left that failed inspection; a device with one that stays is not taken back."""
        await reconciler.removal.finish()
        for rejection in self.ledger.read.rejections():
            identity = rejection.issued.certificate_id
            if not CERTIFICATE_ID.fullmatch(identity) or self.ledger.read.holder_of(identity) is not None:
                continue
            described = await self.registry.describe_certificate(identity)
            if described is None:
                continue
            same_key = public_key_hash(described.certificate_pem) == rejection.spki_sha256
            same = described.certificate_pem.strip() == rejection.issued.certificate_pem.strip()
            # One of another key that is in use is somebody else's, which a wrong answer named.
            if same_key or (same and await reconciler.removal.is_unused(described)):
                self._rejected[rejection.spki_sha256] = f"certificate {identity} failed inspection and stays"

    async def _settle(self, entry: Entry, reconciler: Reconciler) -> None:
        """Find out what a request without an answer issued, so that it can be taken back like any other."""
        device = entry.device
        try:
            found = await reconciler.settle(entry.seq, entry.spki_sha256 or "", device.common_name)
        except DeviceError as error:
            # What failed inspection was removed, and the device is no longer in doubt; or it still is.
            self._unsettled[entry.seq] = error.message
            return
        if found is None:
            await self.ledger.refused(entry.seq)
        else:
            await self.ledger.issued(entry.seq, found)

    async def _take_back(self, entry: Entry) -> None:
        try:
            reason, deleted = await self._undo(entry)
            self._unanswered = 0
        except DiskError as error:
            reason, deleted = error.message, False
        except CallError as error:
            if error.failure is Failure.FATAL or error.code == _EVERYBODYS:
                raise
            self._unanswered = 0 if error.failure is Failure.REFUSED else self._unanswered + 1
            if self._unanswered >= _MOST_UNANSWERED:
                raise
            reason, deleted = error.for_device(0).message, False
        if reason:
            self.kept += 1
            self.watcher.stays(entry.device.thing_name, reason)
        elif deleted or entry.outcome != "revoked":
            await self.ledger.revoked(entry.seq, thing_deleted=deleted)
            self._took(entry)

    async def _undo(self, entry: Entry) -> tuple[str, bool]:
        """Take back what there is of a device; return why something stays, and whether its thing is deleted."""
        if entry.outcome == "revoked":
            is_left = self.scope.purge and has_folders(self.folder, entry.device.thing_name)
            reason, deleted = await undo(entry, self.registry, self.ledger, self.folder, self.scope, self.stop)
            if is_left and not (reason or deleted):
                self._took(entry)
            return reason, deleted
        reason = self._rejected.get(entry.spki_sha256 or "", "")
        if entry.state is State.REQUESTED:
            reason = self._unsettled.get(entry.seq, "whether it has a certificate is not known")
        if reason:
            return reason, False
        return await undo(entry, self.registry, self.ledger, self.folder, self.scope, self.stop)

    def _took(self, entry: Entry) -> None:
        self.taken += 1
        self.watcher.revoked(entry.device.thing_name)

    async def _delete_made(self, chosen: Selection) -> None:
        """Delete what the run made for its devices, when there is none of them left."""
        read = self.ledger.read
        if not (self.scope.things and self.scope.is_whole):
            return
        if read.count(chosen.standing) or read.count(chosen.things):
            self.watcher.note("what the run made for its devices is kept until all of them are taken back")
            return
        async for name, reason in delete_made(self.registry, read, Made(self.ledger)):
            self.kept += 1
            self.watcher.stays(name, reason)

    async def _relist(self) -> None:
        """Have no listing that names a device that was taken back."""
        work = partial(relist, self.ledger.read, self.folder, purge=self.scope.purge)
        told = await anyio.to_thread.run_sync(work)
        for note in told.notes:
            self.watcher.note(note)
        for place, reason in told.stays.items():
            self.kept += 1
            self.watcher.stays(place, reason)

    async def _each(self, condition: str, lanes: int, work: Callable[[Entry], Awaitable[None]]) -> None:
        """Do something with each entry, ``lanes`` of them at a time, until the revoke is asked to stop."""
        lanes = min(lanes, self.ledger.read.count(condition))
        if not lanes:
            return
        async with anyio.create_task_group() as group:
            sending, receiving = anyio.create_memory_object_stream["Entry"](max_buffer_size=lanes)
            async with receiving:
                for _ in range(lanes):
                    group.start_soon(self._lane, receiving.clone(), work)
            async with sending:
                await self._guarded(lambda: self._feed(sending, condition))

    async def _feed(self, sending: MemoryObjectSendStream[Entry], condition: str) -> None:
        for entry in self.ledger.read.entries(condition):
            with self.stop.interruptible():
                await sending.send(entry)

    async def _lane(
        self, receiving: MemoryObjectReceiveStream[Entry], work: Callable[[Entry], Awaitable[None]]
    ) -> None:
        async with receiving:
            async for entry in receiving:
                if self.stop.requested:
                    return
                await self._guarded(lambda: work(entry))  # noqa: B023  awaited before the next turn

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something, unless the revoke was asked to stop, and end it for what is no single device's affair."""
        if self.stop.requested:
            return
        try:
            await work()
        except StoppedError:
            pass
        except CallError as error:
            self._abort(error.for_run() if error.failure in (Failure.FATAL, Failure.REFUSED) else error)
        except ThingmillError as error:
            self._abort(error)

    def _abort(self, error: ThingmillError) -> None:
        if self._fatal is None:
            self._fatal = error
        self.stop.request()
