"""A whole run: the account looked at, the folder owned, devices driven through their lanes, reports written."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from pipeline import failpoints, files, limits, preflight, privacy, report
from pipeline.aws.gate import Gate
from pipeline.aws.registry import ISSUE
from pipeline.aws.session import open_registry
from pipeline.binding import binding, notes
from pipeline.bundles.formats import PKCS12
from pipeline.device import State
from pipeline.encryption import choose_seal, keyless, try_password
from pipeline.errors import DiskError, InterruptedRunError
from pipeline.history import About, History
from pipeline.issuance import Issuance
from pipeline.lanes import LANES, Lanes
from pipeline.layout import RunFolder
from pipeline.ledger import IN_ROSTER
from pipeline.made import Made
from pipeline.ownership import own
from pipeline.reconcile import SETTLING_SECONDS, Reconciler
from pipeline.revocation import refuse_revoked
from pipeline.signals import draining
from pipeline.stop import Stop, StoppedError
from pipeline.workshop import open_workshop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pipeline.aws.registry import Registry
    from pipeline.errors import ThingmillError
    from pipeline.ledger import Ledger
    from pipeline.local import Embedded
    from pipeline.manifest import Roster
    from pipeline.meter import Meter
    from pipeline.secret import Secret
    from pipeline.settings import Settings
    from pipeline.workshop import Workshop

__all__ = ["Run"]


async def _alone(_: Stop) -> None:
    """Wait for nobody."""


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
        lanes: How many devices may be in work at once; ``LANES`` where nothing is said.
        company: All runs of the process, where there are several.
    """

    settings: Settings
    roster: Roster
    meter: Meter
    embedded: Embedded | None = None
    settling: float = SETTLING_SECONDS
    stop: Stop = field(default_factory=Stop)
    summary: report.Summary | None = None
    passphrase: Secret | None = None
    lanes: int | None = None
    company: preflight.Company | None = None
    _fatal: ThingmillError | None = None

    async def look(self) -> preflight.Account:
        """Look at the account and change nothing.

        Raises:
            RefusedError: AWS refused, or something is missing that the manifest asks for.
        """
        async with AsyncExitStack() as stack:
            registry, _ = await open_registry(stack, self.settings.access, self.embedded, self.stop, LANES)
            return await preflight.check(registry, self.settings, self.roster, self.embedded, self.company)

    async def execute(self) -> None:
        """Take every device of the manifest as far as it goes, and write the reports.

        Raises:
            RefusedError: AWS refused for the run as a whole.
            RunFolderError: The run folder is in use, or belongs to something else.
            DiskError: The disk refused.
            UsageError: The passphrase is missing, or is not the one that keys of the run were encrypted with.
            InterruptedRunError: The run was asked to stop.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(draining(self.request_stop))
            key_types = self.roster.key_counts(self.settings.key_type)
            # Closed before the run's folder is let go of: its processes may be writing a key yet.
            async with open_workshop(self.settings, key_types, self.meter.note) as workshop:
                await self.work(stack, workshop)
        self.conclude()

    async def work(
        self, stack: AsyncExitStack, workshop: Workshop, meet: Callable[[Stop], Awaitable[None]] = _alone
    ) -> None:
        """Do what ``execute`` does, without an answer to signals; ``conclude`` says how it ended.

        Args:
            stack: Keeps the run's folder and its clients, and is closed when ``workshop`` is closed.
            workshop: Makes keys and writes files.
            meet: Waits for the other runs of the process: once the account was looked at, and once the folder is
                this process's, the devices are entered and the passphrase was tried.

        Raises:
            ThingmillError: As ``execute`` does.
        """
        settings = self.settings
        started = datetime.now(UTC)
        folder = RunFolder(settings.run_folder, settings.shard)
        registry, caller = await open_registry(
            stack, settings.access, self.embedded, self.stop, self.lanes or LANES
        )
        try:
            account = await preflight.check(registry, settings, self.roster, self.embedded, self.company)
            await meet(self.stop)
            ledger = await self._open(stack, folder, registry, account)
            seal = await anyio.to_thread.run_sync(
                choose_seal, settings.encryption, self.passphrase, ledger.read, folder
            )
            if PKCS12 in settings.formats:
                await anyio.to_thread.run_sync(try_password, settings.pkcs12_password, ledger.read, folder)
            await meet(self.stop)
            if settings.cluster is not None and await anyio.to_thread.run_sync(self._needs_keys, ledger, folder):
                await workshop.prepare(self.stop)
            await preflight.make_missing(registry, settings, account, Made(ledger).note)
        except StoppedError:
            raise InterruptedRunError(
                "the run was stopped before the first device", advice="run the same command again"
            ) from None
        if words := self.roster.totals().about_no_policy():
            self.meter.note(words)
        for finding in account.findings:
            if finding.worrying:
                self.meter.note(str(finding))
        self.meter.note(limits.scarce(caller))
        await ledger.remember({"quotas": limits.listed(caller), "endpoint": account.endpoint.host})
        about = About.of(settings, account.identity.arn)
        history = await History.begin(ledger, self.meter, started, about)
        reconciler = Reconciler(registry, ledger, self.meter, self.stop, self.settling)
        gate = Gate(caller.grants[ISSUE].rate, self.stop)
        issuance = Issuance(
            settings,
            folder,
            registry,
            ledger,
            workshop.key_makers,
            workshop.writers,
            account.endpoint,
            reconciler,
            self.meter,
            self.stop,
            gate,
            seal,
        )
        self.meter.limit = lambda: limits.ruling(caller, gate, workshop.key_makers, workshop.rate)
        self.meter.throttles = lambda: limits.throttles(caller)
        async with anyio.create_task_group() as around:
            around.start_soon(history.keep)
            lanes = Lanes(issuance, workshop.rate, self._abort, self.lanes, within_roster=settings.resumes_failed)
            await lanes.drive(self.meter.total)
            around.cancel_scope.cancel()
        try:
            await self._report(ledger, folder, started, history)
        except DiskError as error:
            # What stopped the run comes before what became of its reports.
            self._abort(error)

    def conclude(self) -> None:
        """Say how the run ended, by an error where it did not come to its end.

        Raises:
            ThingmillError: What stopped it.
        """
        if self._fatal is not None:
            raise self._fatal
        if self.stop.requested:
            raise InterruptedRunError(
                "the run was stopped; what was in flight is recorded",
                advice="run the same command again: it goes on from here",
            )

    async def _report(self, ledger: Ledger, folder: RunFolder, started: datetime, history: History) -> None:
        """Write the reports from what is durable, also when the run was stopped."""
        problem = self._fatal or (InterruptedRunError("") if self.stop.requested else None)
        code = problem.exit_code if problem is not None else int(ledger.read.is_unfinished())
        usage = report.Usage.of(self.meter, started, datetime.now(UTC), code)
        await history.end(usage.to_json())
        failpoints.hit("report.before")
        listing = partial(report.write_listings, ledger.read, folder, self.settings.formats)
        for note in await anyio.to_thread.run_sync(listing):
            self.meter.note(note)
        self.summary = await anyio.to_thread.run_sync(report.write_all, ledger.read, folder)

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
        ledger = await own(stack, folder, registry, account.identity, binding(settings), notes(settings))
        files.sweep_temporaries(folder.root)
        refuse_revoked(ledger.read, folder.root)
        await ledger.enrol(self.roster.path, partial=settings.resumes_failed)
        unfinished = f"state < {State.DONE:d}"
        skipped = ledger.read.count(f"outcome = 'skipped' AND {unfinished}")
        others = f"(outcome IS NULL OR outcome = 'failed') AND {unfinished} AND NOT {IN_ROSTER}"
        left_out = ledger.read.count(others) if settings.resumes_failed else 0
        self.meter.begin(ledger.read.counts("outcome IS NOT 'revoked'"), skipped, left_out)
        return ledger

    def _needs_keys(self, ledger: Ledger, folder: RunFolder) -> bool:
        """Whether the run is to make a key: for a device that brings no CSR, and has none on disk."""
        driven = f"outcome IS NULL AND {IN_ROSTER if self.settings.resumes_failed else '1'}"
        return bool(self.roster.totals().keys_to_make) and any(keyless(ledger.read, folder, driven))

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
