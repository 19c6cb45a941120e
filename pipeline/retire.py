"""``thingmill retire``: the certificates that a rotated run's things had before it, taken off the account.

A device gives up its old certificates only when it is done and its new certificate is known and active on the
account. Each is detached, set inactive and deleted (``withdrawal``), and then the ledger says so: after a kill in
between it is done again, which changes nothing that is done.

Devices often shared one certificate. It is detached from each of them, and goes with the last; where other things
have it too, they keep it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from pipeline.aws.failures import CallError, Failure
from pipeline.device import State
from pipeline.errors import RefusedError, ThingmillError
from pipeline.rotation import WAITING
from pipeline.stop import StoppedError
from pipeline.text import printable
from pipeline.withdrawal import withdraw

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.aws.registry import Registry
    from pipeline.ledger import Entry, Ledger
    from pipeline.rotation import Rotation
    from pipeline.stop import Stop

__all__ = ["LANES", "Fate", "Retired", "retire"]

LANES = 32
"""Devices in work at once: the scarcest call, at 10 a second by default, is kept busy by fewer."""

MOST_ALIKE = 20
"""Failures in a row for one reason that stop the command: the cause is then not the devices'."""

ACTIVE = "ACTIVE"


class Fate(enum.StrEnum):
    """What became of a device."""

    RETIRED = "retired"
    LEFT = "left"
    """It must not give up its old certificates: without them it might not connect."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Retired:
    """A device, and what became of it.

    Attributes:
        thing_name: The device's thing.
        fate: What became of it.
        reason: Why it was left, or what failed.
        gone: The ids of the old certificates that are off the account.
        kept: Those that the device gave up and others have, or that must stay, each with why.
    """

    thing_name: str
    fate: Fate
    reason: str = ""
    gone: tuple[str, ...] = ()
    kept: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Stays:
    """Why a certificate is still there, and whether it should be."""

    reason: str
    rightly: bool = True


async def retire(
    registry: Registry,
    ledger: Ledger,
    rotation: Rotation,
    stop: Stop,
    tell: Callable[[Retired], None],
) -> None:
    """Take the old certificates of the chosen devices away.

    Args:
        registry: AWS IoT, whose calls stand in the run's audit trail.
        ledger: The run's ledger, owned.
        rotation: The run's devices, of which some were chosen.
        stop: Ends the work early: what is in flight is finished.
        tell: Called with each device as it comes.

    Raises:
        RefusedError: AWS refused for all devices alike.
        DiskError: The disk refused.
    """
    rotation.refresh(ledger.read)
    work = _Work(registry, ledger, rotation, stop, tell)
    places = anyio.Semaphore(LANES)

    async def one(entry: Entry) -> None:
        try:
            await work.attend(entry)
        finally:
            places.release()

    async with anyio.create_task_group() as group:
        for entry in ledger.read.entries(WAITING):
            if not rotation.is_chosen(entry.device.thing_name):
                continue
            await places.acquire()
            if stop.requested:
                break
            group.start_soon(one, entry)
    if work.fatal is not None:
        raise work.fatal


@dataclass(slots=True)
class _Work:
    """What all lanes share."""

    registry: Registry
    ledger: Ledger
    rotation: Rotation
    stop: Stop
    tell: Callable[[Retired], None]
    fatal: ThingmillError | None = None
    _patient: Registry = field(init=False)
    _sharing: anyio.Lock = field(default_factory=anyio.Lock)
    _alike: int = 0
    _cause: str = ""

    def __post_init__(self) -> None:
        self._patient = self.registry.patient()

    async def attend(self, entry: Entry) -> None:
        """Take one device as far as it goes; what concerns all of them stops the command."""
        name = entry.device.thing_name
        try:
            obstacle = await self._obstacle(entry)
            self.tell(Retired(name, Fate.LEFT, obstacle) if obstacle else await self._retire(entry))
        except StoppedError:
            pass  # before its first change
        except CallError as error:
            if error.failure is Failure.FATAL:
                self._abort(error.for_run())
                return
            self.tell(Retired(name, Fate.FAILED, error.message))
            self._failed(error)
        except ThingmillError as error:
            self._abort(error)
        else:
            self._alike = 0

    async def _obstacle(self, entry: Entry) -> str:
        """Return why a device must not give up its old certificates, or ""."""
        if entry.outcome is not None or entry.state is not State.DONE or entry.certificate is None:
            return f"it is {entry.outcome or 'not done'}: run it to its end first"
        described = await self.registry.describe_certificate(entry.certificate.certificate_id)
        if described is None:
            return "its new certificate is not on the account"
        if described.status != ACTIVE:
            return f"its new certificate is {printable(described.status, 80)} and not {ACTIVE}"
        return ""

    async def _retire(self, entry: Entry) -> Retired:
        name = entry.device.thing_name
        gone: list[str] = []
        kept: dict[str, str] = {}
        stuck = ""
        for arn in entry.old_certificates:
            identity = arn.rpartition("/")[2]
            stays = await self._withdraw(arn, identity, name)
            if stays is None:
                gone.append(identity)
            elif stays.rightly:
                kept[identity] = stays.reason
            else:
                stuck = f"certificate {identity}: {stays.reason}"
        if stuck:
            return Retired(name, Fate.FAILED, stuck, tuple(gone), kept)
        await self.ledger.retired(entry.seq)
        return Retired(name, Fate.RETIRED, "", tuple(gone), kept)

    async def _withdraw(self, arn: str, identity: str, name: str) -> _Stays | None:
        """Take an old certificate from a device, and off the account where nobody else has it."""
        holder = self.ledger.read.holder_of(identity)
        if holder is not None:
            return _Stays(f"this run issued it to {holder}")
        if not self.rotation.is_shared(arn, name):
            return await self._withdraw_for(arn, name)
        # One at a time: two devices that gave it up together would each leave it to the other.
        async with self._sharing:
            if self.rotation.is_kept(arn, name):
                await self._patient.detach_thing_principal(name, arn)
                self.rotation.release(arn, name)
                return _Stays("other devices of this run have it too, and keep it")
            stays = await self._withdraw_last(arn, identity, name)
            self.rotation.release(arn, name)
            return stays

    async def _withdraw_last(self, arn: str, identity: str, name: str) -> _Stays | None:
        """Take a certificate away that all other devices of the run have given up."""
        if await self._patient.describe_certificate(identity) is None:
            return None
        # A list may lag behind: those who gave it up may stand in it still, and do not keep it.
        listed = await self._patient.list_principal_things(arn)
        if all(self.rotation.was_held_by(arn, thing) for thing in listed):
            reason = await withdraw(self._patient, arn)
            return _Stays(reason, rightly=False) if reason else None
        return await self._withdraw_for(arn, name)

    async def _withdraw_for(self, arn: str, name: str) -> _Stays | None:
        reason = await withdraw(self._patient, arn, for_thing=name)
        if not reason:
            return None
        others = set(await self._patient.list_principal_things(arn)) - {name}
        return _Stays(reason, rightly=bool(others))

    def _failed(self, error: CallError) -> None:
        cause = f"{error.api} {error.code}"
        self._alike = self._alike + 1 if cause == self._cause else 1
        self._cause = cause
        if self._alike >= MOST_ALIKE:
            self._abort(
                RefusedError(
                    f"{self._alike} devices in a row failed for one reason: {error.message}", advice=error.advice
                )
            )

    def _abort(self, error: ThingmillError) -> None:
        """Stop for a reason that is no device's: what is in flight is finished."""
        if self.fatal is None:
            self.fatal = error
        self.stop.request()
