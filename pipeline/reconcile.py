"""Requests without an answer, settled by looking.

CreateCertificateFromCsr may have been carried out although its answer was lost: the process was killed, the
connection broke, a 500 came after the commit. The certificate is then on the account and nobody knows of it. It
is found by its public key: certificates are listed newest first, back to the oldest request in doubt, and those
that the ledger does not know are described and compared. One that is found is adopted; a second one of the same
key is deactivated and deleted.

A call that nobody waits for any more may still be carried out, and a list may lag behind. So what was not found is
looked for again when a settling time has passed, and only then is it taken as certain that nothing was issued.
Devices in doubt wait aside and share each look: every DescribeCertificate spends from a quota of ten a second.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio

from pipeline import failpoints
from pipeline.audit import ADOPTED
from pipeline.aws.client import READ_SECONDS
from pipeline.aws.failures import CallError, Failure
from pipeline.codes import CallCode, DeviceCode
from pipeline.device import State
from pipeline.doubts import Doubts, Fate
from pipeline.errors import DeviceError
from pipeline.inspection import inspect, public_key_hash
from pipeline.removal import Removal

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.aws.registry import Listed, Registry
    from pipeline.device import Certificate, Issued
    from pipeline.ledger import Entry, Ledger
    from pipeline.meter import Meter
    from pipeline.stop import Stop

__all__ = ["Finding", "Reconciler"]

SETTLING_SECONDS = READ_SECONDS + 10.0
"""How long after a doubt is taken up its certificate may still appear. Nobody asks any more by then, a call takes
``READ_SECONDS`` at most, and lists lag behind by some more."""

LAG = 4
"""One such part of the settling time lies between two looks when the last one had to be repeated."""

MOST_LOOKS = 20

MARGIN_SECONDS = 120.0
"""How much older than its request a certificate may seem: clocks within AWS differ, and its Date is in seconds."""

_TOGETHER = 1000
"""Doubts that share one look at the list, when nothing else is going on."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one request that was in doubt.

    Attributes:
        thing_name: Whose it was.
        certificate_id: The certificate that was found for it, or None.
        problem: Why the certificate that was found could not be adopted, or "".
    """

    thing_name: str
    certificate_id: str | None
    problem: str = ""


@dataclass(slots=True)
class _Doubt:
    """One request without an answer."""

    seq: int
    spki_sha256: str
    requested_at: float
    last_look_at: float
    """From when on a look is the last one, by AWS's clock."""
    looks: int = 0
    found: dict[str, Issued] = field(default_factory=dict)
    over: bool = False


class Reconciler:
    """Settles doubts for a run.

    Args:
        registry: AWS IoT.
        ledger: The run's ledger, which says what certificates are known.
        meter: Is told what was found.
        stop: Ends waits when the run is asked to stop.
        settling: Seconds from when a doubt is taken up to the last look for it (shortened by tests).

    Attributes:
        told: Says that doubts are being settled; knows how many are expected, where somebody does.
    """

    def __init__(
        self, registry: Registry, ledger: Ledger, meter: Meter, stop: Stop, settling: float = SETTLING_SECONDS
    ) -> None:
        self._registry = registry
        self._ledger = ledger
        self._stop = stop
        self._settling = settling
        self.removal = Removal(registry, ledger, meter)
        self.told = Doubts(meter, stop, settling)
        self._doubts: dict[int, _Doubt] = {}
        self._looking = anyio.Lock()
        # Public keys by certificate id, for certificates that are not this run's or not yet in its ledger.
        self._described: dict[str, str | None] = {}

    async def settle(
        self, seq: int, spki_sha256: str, common_name: str, *, dry_run: bool = False
    ) -> Certificate | None:
        """Return the certificate that a request led to, or None when it is certain that there is none.

        Args:
            seq: The device, whose state is REQUESTED.
            spki_sha256: Its public key's hash.
            common_name: The CN that was asked for.
            dry_run: Change nothing on the account.

        Raises:
            DeviceError: What was found fails inspection; it was removed.
            StoppedError: The run was asked to stop; the doubt remains.
            CallError: AWS refused for the run as a whole.
        """
        self.told.begin()
        fate = Fate.OPEN
        try:
            certificate = await self._settle(seq, spki_sha256, common_name, dry_run=dry_run)
            fate = Fate.NOT_ISSUED if certificate is None else Fate.FOUND
        finally:
            self.told.end(fate)
        return certificate

    async def _settle(self, seq: int, spki_sha256: str, common_name: str, *, dry_run: bool) -> Certificate | None:
        requested_at, last_look_at = self._ledger.read.requested_at(seq), self._now() + self._settling
        doubt = _Doubt(seq, spki_sha256, requested_at, last_look_at)
        self._doubts[seq] = doubt
        try:
            while not doubt.over:
                if doubt.looks:
                    with self._stop.interruptible():
                        await anyio.sleep(self._pause_before(doubt))
                await self._look_for(doubt)
        finally:
            del self._doubts[seq]
        return await self._adopt(doubt, common_name, dry_run=dry_run)

    def _pause_before(self, doubt: _Doubt) -> float:
        """Return the seconds to the next look.

        Raises:
            DeviceError: There were many looks, and each met certificates that could not be described.
        """
        if doubt.looks >= MOST_LOOKS:
            raise DeviceError(
                4,
                DeviceCode.IN_DOUBT,
                "it cannot be found out whether a certificate was issued: some are listed and not shown",
                advice="run the same command again later; nothing is asked for twice meanwhile",
            )
        return max(doubt.last_look_at - self._now(), 0.0)

    async def settle_all(self, tell: Callable[[Finding], None], *, dry_run: bool) -> None:
        """Settle every request in doubt that the ledger knows, in as few looks as there can be.

        Args:
            tell: Called with each finding.
            dry_run: Change nothing, neither on the account nor in the ledger.
        """
        if not dry_run:
            await self.removal.finish()
        batch: list[Entry] = []
        in_doubt = f"state = {State.REQUESTED:d}"
        self.told.expect(self._ledger.read.count(in_doubt))
        for entry in self._ledger.read.entries(in_doubt):
            batch.append(entry)
            if len(batch) == _TOGETHER:
                await self._settle_batch(batch, tell, dry_run=dry_run)
                batch = []
        await self._settle_batch(batch, tell, dry_run=dry_run)

    async def _settle_batch(self, batch: list[Entry], tell: Callable[[Finding], None], *, dry_run: bool) -> None:
        async def one(entry: Entry) -> None:
            name = entry.device.thing_name
            try:
                certificate = await self.settle(
                    entry.seq, entry.spki_sha256 or "", entry.device.common_name, dry_run=dry_run
                )
            except DeviceError as error:
                tell(Finding(name, None, error.message))
                return
            if not dry_run:
                await (
                    self._ledger.refused(entry.seq)
                    if certificate is None
                    else self._ledger.issued(entry.seq, certificate)
                )
            tell(Finding(name, certificate.certificate_id if certificate else None))

        async with anyio.create_task_group() as group:
            for entry in batch:
                group.start_soon(one, entry)

    async def _look_for(self, doubt: _Doubt) -> None:
        """Have the list looked through for a doubt, unless a pass for others has served it meanwhile."""
        async with self._looking:
            if not doubt.over and (doubt.looks == 0 or self._now() >= doubt.last_look_at):
                await self._look()

    async def _look(self) -> None:
        began = self._now()
        doubts = {doubt.spki_sha256: doubt for doubt in self._doubts.values() if not doubt.over}
        oldest = min(doubt.requested_at for doubt in doubts.values()) - MARGIN_SECONDS
        complete = True
        marker: str | None = None
        while True:
            before = marker
            page, marker = await self._registry.list_certificates(marker)
            for listed in page:
                if listed.created_at >= oldest:
                    complete &= await self._compare(listed, doubts)
            if marker is not None and marker == before:
                raise CallError(
                    "ListCertificates", Failure.UNANSWERED, CallCode.STRANGE_ANSWER, "its pages do not end"
                )
            # A whole page, and not an empty one: a list whose order is not quite the order of issue must not end
            # the look early.
            if marker is None or (page and all(listed.created_at < oldest for listed in page)):
                break
        for doubt in doubts.values():
            # A look for others, sooner than the settling time, proves nothing for this one.
            last = doubt.looks > 0 and began >= doubt.last_look_at
            doubt.over = bool(doubt.found) or (complete and last)
            doubt.looks += 1
            if last:  # and not complete: there has to be another one
                doubt.last_look_at = self._now() + self._settling / LAG

    async def _compare(self, listed: Listed, doubts: dict[str, _Doubt]) -> bool:
        """Compare a certificate with the doubts, and return whether it could be seen."""
        identity = listed.certificate_id
        if identity in self._described and self._described[identity] not in doubts:
            return True
        if self._ledger.read.holder_of(identity) is not None:
            return True
        described = await self._registry.describe_certificate(identity)
        if described is None:
            # Deleted a moment ago, or so new that it can be listed and not yet described: look again.
            return False
        spki = self._described[identity] = public_key_hash(described.certificate_pem)
        doubt = doubts.get(spki or "")
        if (
            doubt is not None
            and listed.created_at >= doubt.requested_at - MARGIN_SECONDS
            and await self.removal.is_unused(described)
        ):
            # By id: a look that broke off, or pages that overlap, find a certificate twice; it is no duplicate.
            doubt.found[identity] = described
        return True

    async def _adopt(self, doubt: _Doubt, common_name: str, *, dry_run: bool) -> Certificate | None:
        """Take the newest certificate that was found, and remove all others of the same key."""
        adopted: Certificate | None = None
        failure: DeviceError | None = None
        for issued in doubt.found.values():
            if adopted is None:
                try:
                    adopted = inspect(issued, doubt.spki_sha256, common_name, datetime.now(UTC))
                    continue
                except DeviceError as error:
                    failure = error
            if not dry_run:
                await self.removal.delete(issued.certificate_id)
        if adopted is not None:
            if not dry_run:
                self._registry.record(ADOPTED, certificate=adopted.certificate_id, common_name=common_name)
            failpoints.hit("reconcile.adopt")
        elif failure is not None:
            if not dry_run:
                await self._ledger.refused(doubt.seq)
                failure.advice = f"it was set inactive and deleted, never bundled; {failure.advice}"
            raise failure
        return adopted

    def _now(self) -> float:
        """Return AWS's time, in which requests and certificates are dated."""
        return self._ledger.aws_clock + time.monotonic()
