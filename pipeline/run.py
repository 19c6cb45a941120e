"""A whole run: devices from the ledger through lanes, until every one has an outcome or the run is stopped.

Each lane takes one device at a time from a bounded stream and walks it through the steps of ``issuance``. Lanes
wait in the queues of the budgets and of the key workers, so the stages of one device overlap with those of others:
things and keys run ahead of the scarce CreateCertificateFromCsr, as far as there are lanes and no farther. Memory
depends on the number of lanes, not on the number of devices.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from pipeline import failpoints, files, limits, preflight, privacy, report
from pipeline.aws.failures import CallError, Failure
from pipeline.aws.gate import Gate
from pipeline.aws.limiter import Budget
from pipeline.aws.registry import ISSUE
from pipeline.aws.session import open_registry
from pipeline.binding import binding
from pipeline.breaker import Breaker
from pipeline.bundles.formats import PKCS12
from pipeline.device import State
from pipeline.encryption import choose_seal, try_password
from pipeline.errors import DeviceError, DiskError, InterruptedRunError, ThingmillError
from pipeline.issuance import Issuance
from pipeline.layout import RunFolder
from pipeline.made import Made
from pipeline.ownership import own
from pipeline.reconcile import SETTLING_SECONDS, Reconciler
from pipeline.revocation import refuse_revoked
from pipeline.signals import draining
from pipeline.stop import Stop, StoppedError
from pipeline.things import SkippedError
from pipeline.workers import CHEAP, COSTLY, Workers

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from pipeline.aws.registry import Registry
    from pipeline.ledger import Entry, Ledger
    from pipeline.local import Embedded
    from pipeline.manifest import Roster
    from pipeline.meter import Meter
    from pipeline.secret import Secret
    from pipeline.settings import Settings

__all__ = ["LANES", "Run"]

LANES = 256
"""Devices in work at once. Twice what a quota of 350 calls a second needs at 300 ms a call."""


@dataclass(slots=True)
class Run:
    """One run of ``thingmill run``.

    Attributes:
        settings: What it is asked to do.
        roster: The validated manifest.
        meter: Is told what happens.
        embedded: The embedded AWS IoT, when the run is against it.
        settling: Seconds until a certificate that is not listed is taken as not issued.
        stop: Ends the run early, in order.
        summary: What the reports say, once they are written.
        passphrase: Encrypts keys, or None where none does or it was not given.
    """

    settings: Settings
    roster: Roster
    meter: Meter
    embedded: Embedded | None = None
    settling: float = SETTLING_SECONDS
    stop: Stop = field(default_factory=Stop)
    summary: report.Summary | None = None
    passphrase: Secret | None = None
    _fatal: ThingmillError | None = None
    _breaker: Breaker = field(default_factory=Breaker)

    async def look(self) -> preflight.Account:
        """Look at the account and change nothing.

        Raises:
            RefusedError: AWS refused, or something is missing that the manifest asks for.
        """
        async with AsyncExitStack() as stack:
            registry, _ = await open_registry(stack, self.settings.access, self.embedded, self.stop, LANES)
            return await preflight.check(registry, self.settings, self.roster, self.embedded)

    async def execute(self) -> None:
        """Take every device of the manifest as far as it goes, and write the reports.

        Raises:
            RefusedError: AWS refused for the run as a whole.
            RunFolderError: The run folder is in use, or belongs to something else.
            DiskError: The disk refused.
            UsageError: The passphrase is missing, or is not the one that keys of the run were encrypted with.
            InterruptedRunError: The run was asked to stop.
        """
        settings = self.settings
        started = datetime.now(UTC)
        folder = RunFolder(settings.run_folder, settings.shard)
        async with AsyncExitStack() as stack:
            stack.enter_context(draining(self.request_stop))
            registry, caller = await open_registry(stack, settings.access, self.embedded, self.stop, LANES)
            try:
                account = await preflight.check(registry, settings, self.roster, self.embedded)
                ledger = await self._open(stack, folder, registry, account)
                await preflight.make_missing(registry, settings, account, Made(ledger).note)
            except StoppedError:
                raise InterruptedRunError("the run was stopped before the first device") from None
            seal = await anyio.to_thread.run_sync(
                choose_seal, settings.encryption, self.passphrase, ledger.read, folder
            )
            if PKCS12 in settings.formats:
                await anyio.to_thread.run_sync(try_password, settings.pkcs12_password, ledger.read, folder)
            self._warn_of_no_policy()
            for finding in account.findings:
                if finding.worrying:
                    self.meter.note(str(finding))
            self.meter.note(limits.scarce(caller))
            if settings.encryption.recipients:
                # They are public, and failed.csv fed back recalls them: a hash could not be turned into them.
                await ledger.remember({"recipients": "\n".join(settings.encryption.recipients)})
            await ledger.remember({"quotas": limits.listed(caller), "endpoint": account.endpoint.host})
            rate = Budget(settings.rate) if settings.rate else None
            key_types = self.roster.key_counts(settings.key_type)
            batch = COSTLY if any(key_type.startswith("rsa") for key_type in key_types) else CHEAP
            async with Workers(settings.workers, batch) as key_makers, Workers(1, CHEAP) as writers:
                reconciler = Reconciler(registry, ledger, self.meter, self.stop, self.settling)
                gate = Gate(caller.grants[ISSUE].rate, self.stop)
                issuance = Issuance(
                    settings,
                    folder,
                    registry,
                    ledger,
                    key_makers,
                    writers,
                    account.endpoint,
                    reconciler,
                    self.meter,
                    self.stop,
                    gate,
                    seal,
                )
                self.meter.limit = lambda: limits.ruling(caller, gate, key_makers, rate)
                self.meter.throttles = lambda: limits.throttles(caller)
                await self._drive(ledger, issuance, rate)
            try:
                await self._report(ledger, folder, started)
            except DiskError as error:
                # What stopped the run comes before what became of its reports.
                self._abort(error)
        if self._fatal is not None:
            raise self._fatal
        if self.stop.requested:
            raise InterruptedRunError("the run was stopped; what was in flight is recorded")

    async def _report(self, ledger: Ledger, folder: RunFolder, started: datetime) -> None:
        """Write the reports from what is durable, also when the run was stopped."""
        problem = self._fatal or (InterruptedRunError("") if self.stop.requested else None)
        failed = ledger.read.outcomes()["failed"]
        code = problem.exit_code if problem is not None else int(failed > 0)
        usage = report.Usage.of(self.meter, started, datetime.now(UTC), code)
        await ledger.remember(usage.notes())
        failpoints.hit("report.before")
        listing = partial(report.write_listings, ledger.read, folder, self.settings.formats)
        for note in await anyio.to_thread.run_sync(listing):
            self.meter.note(note)
        self.summary = await anyio.to_thread.run_sync(report.write_all, ledger.read, folder, usage)

    def _warn_of_no_policy(self) -> None:
        totals = self.roster.totals()
        bare = totals.devices - totals.with_policy
        if bare:
            self.meter.note(
                f"{bare:,} of {totals.devices:,} devices get no policy: their certificates may do nothing by "
                "themselves (see --policy)"
            )

    def request_stop(self) -> None:
        """Ask the run to finish what is in flight and end."""
        self.meter.stopping = True
        self.stop.request()

    async def _open(
        self, stack: AsyncExitStack, folder: RunFolder, registry: Registry, account: preflight.Account
    ) -> Ledger:
        """Make or reopen the run folder, and enter the manifest's devices."""
        settings = self.settings
        await anyio.to_thread.run_sync(_prepare, folder)
        ledger = await own(stack, folder, registry, account.identity, binding(settings))
        files.sweep_temporaries(folder.root)
        refuse_revoked(ledger.read, folder.root)
        await ledger.enrol(self.roster.path, partial=settings.resumes_failed)
        await ledger.retry_failed()
        left_alone = ledger.read.count(f"outcome IN ('skipped', 'revoked') AND state < {State.DONE:d}")
        self.meter.begin(ledger.read.counts(), left_alone)
        return ledger

    async def _drive(self, ledger: Ledger, issuance: Issuance, rate: Budget | None) -> None:
        async with anyio.create_task_group() as group:
            sending, receiving = anyio.create_memory_object_stream["Entry"](max_buffer_size=LANES)
            async with receiving:
                for _ in range(min(LANES, max(self.meter.total, 1))):
                    group.start_soon(self._lane, receiving.clone(), ledger, issuance, rate)
            await self._feed(sending, ledger, issuance)

    async def _feed(self, sending: MemoryObjectSendStream[Entry], ledger: Ledger, issuance: Issuance) -> None:
        """Give the lanes what is unfinished, in the manifest's order, doubts first: they share one look."""
        doubtful: set[int] = set()  # they move on while the others are read, and must not be given out twice
        async with sending:
            try:
                await issuance.reconciler.removal.finish()
                for condition in (
                    f"state = {State.REQUESTED:d}",
                    f"state < {State.REQUESTED:d} OR state IN (5, 6, 7)",
                ):
                    for entry in ledger.read.entries(f"outcome IS NULL AND ({condition})"):
                        if entry.state is State.REQUESTED:
                            doubtful.add(entry.seq)
                        elif entry.seq in doubtful:
                            continue
                        with self.stop.interruptible():
                            await sending.send(entry)
            except StoppedError:
                pass
            except CallError as error:
                self._abort(error.for_run())
            except ThingmillError as error:
                self._abort(error)

    async def _lane(
        self,
        receiving: MemoryObjectReceiveStream[Entry],
        ledger: Ledger,
        issuance: Issuance,
        rate: Budget | None,
    ) -> None:
        async with receiving:
            async for entry in receiving:
                if self.stop.requested:
                    return
                try:
                    if rate is not None:
                        with self.stop.interruptible():
                            await rate.acquire()
                    await self._attend(entry, ledger, issuance)
                except StoppedError:
                    return
                except CallError as error:
                    self._abort(error.for_run())
                    return
                except ThingmillError as error:
                    self._abort(error)
                    return

    async def _attend(self, entry: Entry, ledger: Ledger, issuance: Issuance) -> None:
        """Provision a device, and record an outcome that is its own; what concerns the whole run is raised."""
        try:
            await issuance.provision(entry)
            self._breaker.succeeded()
        except SkippedError as skipped:
            await ledger.skipped(entry.seq, skipped.reason)
            self.meter.skip(entry.device, skipped.reason)
        except DeviceError as error:
            await self._fail(ledger, entry, error)
        except CallError as error:
            if error.failure is Failure.FATAL:
                raise
            await self._fail(ledger, entry, error.for_device(4))

    async def _fail(self, ledger: Ledger, entry: Entry, error: DeviceError) -> None:
        await ledger.failed(entry.seq, error)
        self.meter.fail(entry.device, error)
        broken = self._breaker.failed(error)
        if broken is not None:
            self._abort(broken)

    def _abort(self, error: ThingmillError) -> None:
        """Stop the run for a reason that is not this device's: nothing is held against it."""
        if self._fatal is None:
            self._fatal = error
        self.request_stop()


def _prepare(folder: RunFolder) -> None:
    files.folder_above(folder.root)
    privacy.check_above(folder.root)
    for private in (folder.root, folder.devices, folder.staging):
        files.private_folder(private)
