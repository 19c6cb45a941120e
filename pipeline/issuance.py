"""The eight steps that every device goes through, in the order that keeps it safe.

====  ==================================================================  =====================
step  call or write                                                       durable afterwards
====  ==================================================================  =====================
1     the thing: DescribeThing, CreateThing                               ``State.PLANNED``
2     key and CSR on disk, before anything of them leaves the machine     ``State.KEYED``
3     the intent to ask for a certificate                                 ``State.REQUESTED``
4     CreateCertificateFromCsr, never repeated blindly
5     the certificate held against its CSR, and stored                    ``State.ISSUED``
6     the bundle, whole and fsynced                                       ``State.BUNDLED``
7     AttachThingPrincipal, AddThingToThingGroup                          ``State.LINKED``
8     AttachPolicy: the certificate gets its authority last               ``State.DONE``
====  ==================================================================  =====================

Each arrow between two states is one foreign call or one durable write, never both. The bundle comes before every
link, since a thing or a group may carry a policy already: no certificate can do anything before its bundle is
durable. ``REQUESTED`` is the one state that leaves a doubt, and it is settled by looking (``reconcile``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from pipeline import keys, sealing, staging
from pipeline.aws.caller import MOST_RETRIES
from pipeline.aws.failures import CallError, Failure
from pipeline.contest import give_way
from pipeline.device import State
from pipeline.errors import DeviceError, RefusedError
from pipeline.inspection import inspect
from pipeline.keymaking import KeyOrder
from pipeline.passwords import Carried
from pipeline.stop import StoppedError
from pipeline.things import ensure_thing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.aws.gate import Gate
    from pipeline.aws.registry import Registry
    from pipeline.bundles.parts import Endpoint
    from pipeline.device import Certificate, Device, Issued, KeyReceipt
    from pipeline.keymaking import KeyMakers
    from pipeline.layout import RunFolder
    from pipeline.ledger import Entry, Ledger
    from pipeline.meter import Meter
    from pipeline.reconcile import Reconciler
    from pipeline.sealing import Seal
    from pipeline.settings import Settings
    from pipeline.stop import Stop
    from pipeline.workers import Workers

__all__ = ["Issuance"]


@dataclass(slots=True)
class _Work:
    """One device on its way: what the ledger says of it, kept up to date."""

    seq: int
    device: Device
    state: State
    spki_sha256: str
    certificate: Certificate | None
    creating: bool
    files: Mapping[str, str]
    old_certificates: tuple[str, ...]
    csr: str | None = None
    unanswered: int = 0
    since: float = field(default_factory=anyio.current_time)


@dataclass(frozen=True, slots=True)
class Issuance:
    """Takes devices through the steps, each from wherever the ledger says that it stands."""

    settings: Settings
    folder: RunFolder
    registry: Registry
    ledger: Ledger
    key_makers: KeyMakers
    writers: Workers
    endpoint: Endpoint
    reconciler: Reconciler
    meter: Meter
    stop: Stop
    gate: Gate
    seal: Seal | None = None
    """Encrypts each key before it touches the disk, if keys are to be."""

    async def provision(self, entry: Entry) -> None:
        """Take one device to ``DONE``.

        Raises:
            DeviceError: It failed; what is durable of it stays, and the next run goes on from there.
            SkippedError: It is left alone.
            StoppedError: The run was asked to stop, and the device is at a place where it can.
            CallError: AWS refused for the run as a whole.
            DiskError: The disk refused.
        """
        known = (entry.spki_sha256 or "", entry.certificate, entry.thing_created, entry.files)
        work = _Work(entry.seq, entry.device, entry.state, *known, entry.old_certificates)
        if work.state is State.LISTED:
            await self._step_1_thing(work)
        if work.state is State.PLANNED:
            await self._step_2_key(work)
        elif work.state is State.KEYED:
            await self._see_key(work)
        if work.state is State.REQUESTED:
            await self._settle(work)
        while work.state is State.KEYED:
            await self._steps_3_to_5_certificate(work)
        if work.state is State.ISSUED:
            await self._step_6_bundle(work)
        if work.state is State.BUNDLED:
            await self._step_7_links(work)
        if work.state is State.LINKED:
            await self._step_8_authority(work)

    async def _step_1_thing(self, work: _Work) -> None:
        async def intend(made: bool) -> None:
            await self.ledger.creating(work.seq, created=made)

        with _failing_at(1):
            found = await ensure_thing(
                self.registry, work.device, self.settings.existing, intend, intended=work.creating
            )
        work.old_certificates = found.old_certificates
        await self.ledger.planned(work.seq, created=found.created, old_certificates=found.old_certificates)
        self._reached(work, State.PLANNED)

    async def _step_2_key(self, work: _Work) -> None:
        device = work.device
        if device.csr is not None:
            # The device keeps its own key: only what it sent us is stored.
            store = partial(keys.store_csr, self.folder.staged(device.thing_name), device.thing_name, device.csr)
            receipt = await anyio.to_thread.run_sync(store)
        else:
            receipt = await self._receipt(device, expected=None)
        # From here on the key is durable, though nothing that leaves the machine depends on it yet.
        await self.ledger.keyed(work.seq, receipt.spki_sha256, receipt.files)
        work.spki_sha256, work.csr, work.files = receipt.spki_sha256, receipt.csr, receipt.files
        self._reached(work, State.KEYED)

    async def _see_key(self, work: _Work) -> None:
        """See in a resumed run that the key on disk is still the one that the ledger knows."""
        if work.device.csr is None:
            receipt = await self._receipt(work.device, expected=work.spki_sha256)
            if receipt.files != work.files:
                raise keys.lost(2, work.device.thing_name)
            work.csr = receipt.csr

    async def _receipt(self, device: Device, *, expected: str | None) -> KeyReceipt:
        name, key_type = device.thing_name, device.key_type or self.settings.key_type
        seal = sealing.AgeSeal(device.encrypt_to) if device.encrypt_to else self.seal
        order = KeyOrder(self.folder.staged(name), name, device.common_name, key_type, expected, seal)
        with self.stop.interruptible():
            return await self.key_makers.make(order)

    async def _steps_3_to_5_certificate(self, work: _Work) -> None:
        csr = work.csr
        if csr is None:  # only after a resume
            read = partial(staging.read_csr, self.folder, work.device, work.spki_sha256)
            csr = await anyio.to_thread.run_sync(read)
        async with self.gate.place():
            staging.see_key(self.folder, work.device, 3)
            # Step 3: the intent is durable before the request leaves, so what may exist is always known of.
            await self.ledger.requested(work.seq)
            work.state = State.REQUESTED
            await self._permit(work)

        # Step 4: one attempt.
        try:
            issued = await self.registry.create_certificate_from_csr(
                csr, thing=work.device.thing_name, active=not self.settings.inactive
            )
        except CallError as error:
            await self._step_4_failed(work, error)
            return

        # Step 5: nothing is trusted unchecked, and nothing unchecked is stored as the device's certificate.
        await self._step_5_inspect(work, issued)

    async def _permit(self, work: _Work) -> None:
        """Wait for the quota, at the head of the queue, with nothing left to do but to send."""
        try:
            await self.registry.permit_certificate()
        except StoppedError:
            # Nothing was sent: the intent is taken back, and leaves no doubt.
            await self.ledger.refused(work.seq)
            raise

    async def _step_4_failed(self, work: _Work, error: CallError) -> None:
        if error.failure is not Failure.THROTTLED:
            work.unanswered += 1
        if error.failure is Failure.UNANSWERED:
            # It may have been issued. Never ask again: look.
            await self._settle(work)
            if work.state is State.KEYED and work.unanswered > MOST_RETRIES:
                raise error.for_device(4) from error
            return
        # It is certain that nothing was issued: the intent is taken back.
        await self.ledger.refused(work.seq)
        work.state = State.KEYED
        if error.failure is Failure.FATAL:
            raise error
        if error.failure is Failure.REFUSED or work.unanswered > MOST_RETRIES:
            raise error.for_device(4) from error
        await self.registry.pause(2)

    async def _step_5_inspect(self, work: _Work, issued: Issued) -> None:
        try:
            certificate = inspect(issued, work.spki_sha256, work.device.common_name, datetime.now(UTC))
        except DeviceError as error:
            if await self.reconciler.removal.reject(work.seq, work.spki_sha256, issued, error):
                await self.ledger.refused(work.seq)
                error.advice = f"it was set inactive and deleted, never bundled; {error.advice}"
            else:
                error.advice = "what became of it is not certain; the next run looks for it before it asks again"
            raise
        await self._store(work, certificate)

    async def _settle(self, work: _Work) -> None:
        """Find out whether a request without an answer was carried out, and take what it issued."""
        certificate = await self.reconciler.settle(work.seq, work.spki_sha256, work.device.common_name)
        if certificate is None:
            await self.ledger.refused(work.seq)
            work.state = State.KEYED
        else:
            await self._store(work, certificate)

    async def _store(self, work: _Work, certificate: Certificate) -> None:
        await self.ledger.issued(work.seq, certificate)
        work.certificate = certificate
        self._reached(work, State.ISSUED)

    async def _step_6_bundle(self, work: _Work) -> None:
        bundle = (self.folder, work.device, _certificate(work), self.endpoint)
        extra = (self.settings.formats, Carried.of(self.settings.pkcs12_password))
        publish = partial(staging.publish, *bundle, *extra, staging.Known(work.spki_sha256, work.files))
        await self.ledger.bundled(work.seq, await self.writers.do(publish))
        self._reached(work, State.BUNDLED)

    async def _step_7_links(self, work: _Work) -> None:
        device, arn = work.device, _certificate(work).arn
        with _failing_at(7):
            await self.registry.attach_thing_principal(device.thing_name, arn)
            if self.settings.gives_way:
                # Before a group, which may carry a policy: another station may have the device too.
                await give_way(self.registry, device.thing_name, arn, work.old_certificates)
            for group in device.groups:
                await self.registry.add_thing_to_thing_group(device.thing_name, group)
        await self.ledger.linked(work.seq)
        self._reached(work, State.LINKED)

    async def _step_8_authority(self, work: _Work) -> None:
        policy = work.device.policy
        if policy is not None:
            with _failing_at(8):
                try:
                    await self.registry.attach_policy(policy, _certificate(work).arn)
                except CallError as error:
                    await self._refuse_without_policy(policy, error)
                    raise
        await self.ledger.done(work.seq)
        self._reached(work, State.DONE)

    async def _refuse_without_policy(self, policy: str, error: CallError) -> None:
        """Stop the run when the policy was deleted meanwhile: that is no device's failure."""
        if error.code == "ResourceNotFoundException" and await self.registry.get_policy(policy) is None:
            raise RefusedError(
                f"the policy {policy} was deleted while the run went on",
                advice="make it again, then run the same command again: it goes on where it stopped",
            ) from error

    def _reached(self, work: _Work, state: State) -> None:
        work.state, before, work.since = state, work.since, anyio.current_time()
        self.meter.reached(work.device, state, work.since - before)


def _certificate(work: _Work) -> Certificate:
    if work.certificate is None:
        raise AssertionError(f"device {work.seq} is {work.state!r} and has no certificate")
    return work.certificate


class _failing_at:  # noqa: N801  reads as a statement
    """Turn the refusal of a call into the failure of a device at a step; a refusal of the whole run passes."""

    def __init__(self, step: int) -> None:
        self._step = step

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CallError) and error.failure is not Failure.FATAL:
            raise error.for_device(self._step) from error
