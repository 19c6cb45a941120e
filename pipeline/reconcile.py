"""Requests without an answer, settled by looking.

CreateCertificateFromCsr may have been carried out although its answer was lost: the process was killed, the
connection broke, a 500 came after the commit. The certificate is then on the account and nobody knows of it. It
is found by its public key: certificates are listed newest first, back to the oldest request in doubt, and those
that the ledger does not know are described and compared. One that is found is adopted; a second one of the same
key is deactivated and deleted.

A list may lag behind an issue by seconds. So what was not found is looked for again after a settling time, and
only then is it taken as certain that nothing was issued. Devices in doubt wait aside and share each look, since
every DescribeCertificate spends from a quota of ten a second.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio

from pipeline import failpoints
from pipeline.aws.failures import CallError, Failure
from pipeline.device import State
from pipeline.errors import DeviceError
from pipeline.inspection import inspect, public_key_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.aws.registry import Registry
    from pipeline.device import Certificate, Issued
    from pipeline.ledger import Entry, Ledger
    from pipeline.meter import Meter
    from pipeline.stop import Stop

__all__ = ["Finding", "Reconciler"]

SETTLING_SECONDS = float(os.environ.get("THINGMILL_SETTLING_SECONDS", "10"))
"""How long after the first look in vain the last one begins: several times what lists lag behind. The environment
variable is for tests against a double whose lists do not lag, beside ``THINGMILL_FAILPOINTS``; not for AWS."""

MARGIN_SECONDS = 120.0
"""How much older than its request a certificate may seem: clocks within AWS differ, and its Date is in seconds."""

_TOGETHER = 1000
"""Doubts that share one look at the list, when nothing else is going on."""

_CERTIFICATE_ID = re.compile("[0-9a-f]{64}")


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
    last_look_at: float | None = None
    """From when on a look is the last one; None until the first one is over."""
    found: dict[str, Issued] = field(default_factory=dict)
    over: bool = False


class Reconciler:
    """Settles doubts for a run.

    Args:
        registry: AWS IoT.
        ledger: The run's ledger, which says what certificates are known.
        meter: Is told what was found.
        stop: Ends waits when the run is asked to stop.
        settling: Seconds between the first look and the last (shortened by tests).
    """

    def __init__(
        self, registry: Registry, ledger: Ledger, meter: Meter, stop: Stop, settling: float = SETTLING_SECONDS
    ) -> None:
        self._registry = registry
        self._ledger = ledger
        self._meter = meter
        self._stop = stop
        self._settling = settling
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
        doubt = _Doubt(seq, spki_sha256, self._ledger.read.requested_at(seq))
        self._doubts[seq] = doubt
        try:
            while not doubt.over:
                if doubt.last_look_at is not None:
                    with self._stop.interruptible():
                        await anyio.sleep_until(doubt.last_look_at)
                await self._look_for(doubt)
        finally:
            del self._doubts[seq]
        return await self._adopt(doubt, common_name, dry_run=dry_run)

    async def settle_all(self, tell: Callable[[Finding], None], *, dry_run: bool) -> None:
        """Settle every request in doubt that the ledger knows, in as few looks as there can be.

        Args:
            tell: Called with each finding.
            dry_run: Change nothing, neither on the account nor in the ledger.
        """
        if not dry_run:
            await self.remove_left_over()
        batch: list[Entry] = []
        for entry in self._ledger.read.entries(f"state = {State.REQUESTED:d}"):
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

    async def remove_rejected(self, seq: int, spki_sha256: str, issued: Issued, error: DeviceError) -> bool:
        """Take a certificate that failed inspection off the account, and return whether nothing is left of it.

        The id in the answer is not trusted either: the certificate is touched only if the registry describes the
        very PEM that was answered, or one of this device's key, and no other device of the run holds it.
        """
        await self._ledger.rejected(seq, issued, error)
        return await self._remove(spki_sha256, issued)

    async def remove_left_over(self) -> None:
        """Finish what ``remove_rejected`` was stopped in, before anything else is done in a resumed run."""
        for _, spki_sha256, issued in self._ledger.read.rejected():
            try:
                await self._remove(spki_sha256, issued)
            except CallError as error:
                if error.failure is not Failure.REFUSED:
                    raise
                self._meter.note(
                    f"certificate {issued.certificate_id} failed inspection and stays: {error.reason}"
                )

    async def _remove(self, spki_sha256: str, issued: Issued) -> bool:
        identity = issued.certificate_id
        if not _CERTIFICATE_ID.fullmatch(identity) or self._ledger.read.holder_of(identity) is not None:
            return False
        described = await self._registry.describe_certificate(identity)
        if described is None:
            return False
        same = described.certificate_pem.strip() == issued.certificate_pem.strip()
        if not same and public_key_hash(described.certificate_pem) != spki_sha256:
            return False
        if not await self._is_unused(described):
            return False
        await self._delete(identity)
        await self._ledger.removed(identity)
        return True

    async def _delete(self, certificate_id: str) -> None:
        await self._registry.deactivate_certificate(certificate_id)
        try:
            await self._registry.delete_certificate(certificate_id)
        except CallError as error:
            if error.failure is not Failure.REFUSED:
                raise
            # It is inactive and can do nothing; something else was attached to it meanwhile.
            self._meter.note(f"certificate {certificate_id} was set inactive but not deleted: {error.reason}")

    async def _look_for(self, doubt: _Doubt) -> None:
        """Have the list looked through for a doubt, unless a pass for others has served it meanwhile."""
        async with self._looking:
            due = doubt.last_look_at is None or anyio.current_time() >= doubt.last_look_at
            if due and not doubt.over:
                await self._look()

    async def _look(self) -> None:
        began = anyio.current_time()
        doubts = {doubt.spki_sha256: doubt for doubt in self._doubts.values() if not doubt.over}
        oldest = min(doubt.requested_at for doubt in doubts.values()) - MARGIN_SECONDS
        marker: str | None = None
        while True:
            page, marker = await self._registry.list_certificates(marker)
            for listed in page:
                if listed.created_at >= oldest:
                    await self._compare(listed.certificate_id, doubts)
            # A whole page: a list whose order is not quite the order of issue must not end the look early.
            if marker is None or all(listed.created_at < oldest for listed in page):
                break
        for doubt in doubts.values():
            if doubt.found:
                doubt.over = True
            elif doubt.last_look_at is None:
                doubt.last_look_at = anyio.current_time() + self._settling
            else:
                # A look for others, sooner than the settling time, proves nothing for this one.
                doubt.over = began >= doubt.last_look_at

    async def _compare(self, certificate_id: str, doubts: dict[str, _Doubt]) -> None:
        if certificate_id in self._described and self._described[certificate_id] not in doubts:
            return
        if self._ledger.read.holder_of(certificate_id) is not None:
            return
        described = await self._registry.describe_certificate(certificate_id)
        spki = None if described is None else public_key_hash(described.certificate_pem)
        self._described[certificate_id] = spki
        if described is not None and spki in doubts and await self._is_unused(described):
            # By id: a look that broke off, or pages that overlap, find a certificate twice; it is no duplicate.
            doubts[spki].found[certificate_id] = described

    async def _is_unused(self, described: Issued) -> bool:
        """Whether no thing has a certificate: what is ours and in doubt has never been attached to anything.

        A certificate of the same key that is in use belongs to an earlier run over devices that keep their own
        keys, and is neither adopted nor touched.
        """
        return not await self._registry.list_principal_things(described.certificate_arn)

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
                await self._delete(issued.certificate_id)
        if adopted is not None:
            failpoints.hit("reconcile.adopt")
        elif failure is not None and not dry_run:
            await self._ledger.refused(doubt.seq)
            raise failure
        return adopted
