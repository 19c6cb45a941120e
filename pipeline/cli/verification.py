"""One invocation of ``thingmill verify``: the run opened to be read, account and broker reached, results shown."""

from __future__ import annotations

import heapq
from contextlib import AsyncExitStack, ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pipeline import files, mqtt, privacy
from pipeline.aws.failures import CallError
from pipeline.aws.session import open_registry
from pipeline.binding import refuse_merged
from pipeline.cli.app import run_async
from pipeline.cli.saying import say, say_object
from pipeline.codes import FindingCode
from pipeline.counting import counted, verb
from pipeline.errors import RunFolderError, ThingmillError
from pipeline.layout import RunFolder
from pipeline.ledger import live_ledger
from pipeline.local import embedded
from pipeline.status import holder_of
from pipeline.stop import Stop
from pipeline.text import printable
from pipeline.verify import (
    Account,
    Check,
    Checks,
    Connector,
    Remarks,
    Tally,
    VerdictRows,
    verdict_object,
    verify,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.local import Embedded
    from pipeline.settings import Access
    from pipeline.unsealing import Opener
    from pipeline.verify import Verdict

__all__ = ["Verification"]

_MOST_UNFINISHED = 100
"""Devices that are not done of which each has a line."""


@dataclass(slots=True)
class Verification:
    """What was asked for, and how to show it.

    Attributes:
        root: The run's folder.
        names: Only these devices; empty for all.
        access: How to reach the account, or None where it is not asked.
        connect: Whether each bundle is to connect.
        port: Another port than the bundles say, or None.
        topic: Where each publishes, or None.
        connect_rate: Connections begun per second.
        concurrency: Devices in work at once.
        local: Against the embedded AWS IoT.
        as_json: Results as JSON lines.
        csv: Where results are written as CSV, or None.
        opener: Opens keys that are encrypted, or None.
    """

    root: Path
    names: tuple[str, ...]
    access: Access | None
    connect: bool
    port: int | None
    topic: str | None
    connect_rate: float
    concurrency: int
    local: bool
    as_json: bool
    csv: Path | None
    opener: Opener | None = None
    _tally: Tally = field(default_factory=Tally)
    _rows: VerdictRows | None = None
    _remarks: Remarks = field(default_factory=Remarks)
    _unfinished: list[tuple[int, str]] = field(default_factory=list)
    """Lines of the first devices of the manifest that are not done, each with its number, negated: a heap."""

    def carry_out(self) -> bool:
        """Verify and show the results; return whether nothing is wrong.

        Raises:
            RunFolderError: A process has the run, or it belongs to another account or Region.
            RefusedError: AWS refused for all devices alike.
            UsageError: The run has no device of a name that was given, or an option cannot be meant.
            DiskError: The disk refused.
            ThingmillError: Bundles were to connect, and not one could be tried, since keys are encrypted.
        """
        if self.topic is not None:
            mqtt.check_topic(self.topic)
        holder = holder_of(RunFolder(self.root).lock)
        if holder is not None:
            raise RunFolderError(
                f"the run folder {printable(str(self.root))} is in use by process {holder.pid or 'unknown'}",
                advice="wait until it ends; thingmill status says where it stands",
            )
        privacy.check_run(self.root)
        with ExitStack() as stack:
            if self.csv is not None:
                files.folder_above(self.csv)
                with suppress(FileNotFoundError):
                    # A device or a link would be replaced by a file: /dev/stdout for everybody.
                    privacy.check_file(self.csv, self.csv.lstat())
                self._rows = stack.enter_context(VerdictRows())
            try:
                run_async(self._verify)
            except ThingmillError:
                self._hint()
                raise
            if self._rows is not None and self.csv is not None:
                files.replace_whole_from(self.csv, self._rows.csv())
        self._conclude()
        if self.connect and self._tally.only_sealed:
            raise ThingmillError(
                "no bundle could be tried: the keys are encrypted, and nothing was given to open them",
                advice="give --identity FILE or --passphrase SOURCE",
            )
        return not self._tally.problems and bool(self._tally.outcomes)

    async def _verify(self) -> None:
        async with AsyncExitStack() as stack:
            reader = stack.enter_context(closing(live_ledger(self.root / "ledger.db")))
            meta = reader.meta()
            refuse_merged(meta, self.root)
            aws = None
            if self.local and (self.connect or self.access is not None):
                aws = await stack.enter_async_context(embedded(self.root.parent / ".local"))
            checks = Checks(
                account=await self._account(stack, meta, aws),
                connector=self._connector(aws),
                names=self.names,
                concurrency=self.concurrency,
                opener=self.opener,
            )
            folder = RunFolder(self.root, meta.get("sharded") == str(True))
            self._remarks = await verify(reader, folder, checks, self._tell)

    async def _account(
        self, stack: AsyncExitStack, meta: Mapping[str, str], aws: Embedded | None
    ) -> Account | None:
        if self.access is None:
            return None
        access = replace(self.access, region=self.access.region or meta.get("Region"))
        registry, _ = await open_registry(stack, access, aws, Stop(), self.concurrency)
        try:
            identity = await registry.get_caller_identity()
        except CallError as error:
            raise error.for_run() from error
        for what, found in (("account", identity.account), ("Region", registry.region)):
            if meta.get(what) != found:
                made = printable(meta.get(what, "unknown"))
                raise RunFolderError(
                    f"the run was made in the {what} {made}, not {printable(found)}",
                    advice="give --profile, --region or --local as the run was given",
                )
        return Account(registry, active=meta.get("certificates") != "inactive")

    def _connector(self, aws: Embedded | None) -> Connector | None:
        if not self.connect:
            return None
        # The embedded AWS IoT may have moved since the bundles were written, and listens nowhere else.
        port = aws.mqtt_port if aws is not None else self.port
        return Connector(self.concurrency, self.connect_rate, port, self.topic, self.opener)

    def _tell(self, verdict: Verdict) -> None:
        self._tally.add(verdict)
        if self._rows is not None:
            self._rows.add(verdict)
        if self.as_json:
            say_object(verdict_object(verdict))
            return
        about = "" if verdict.thing_name is None else f"{verdict.thing_name}: "
        for finding in verdict.findings:
            line = f"{about}{finding.message} ({finding.code})"
            if finding.code is not FindingCode.NOT_DONE:
                say(line)
                continue
            heapq.heappush(self._unfinished, (-verdict.seq, line))
            if len(self._unfinished) > _MOST_UNFINISHED:
                heapq.heappop(self._unfinished)

    def _say_unfinished(self) -> None:
        """Name the first devices that are not done in the manifest's order: there may be a million."""
        for _, line in sorted(self._unfinished, reverse=True):
            say(line)
        if (more := self._tally.codes[FindingCode.NOT_DONE] - len(self._unfinished)) > 0:
            say(f"{counted(more, 'more device')} {verb('are', more)} not done ({FindingCode.NOT_DONE}): see --csv")

    def _conclude(self) -> None:
        tally, remarks = self._tally, self._remarks
        if self.as_json:
            say_object(tally.to_json(remarks))
            return
        self._say_unfinished()
        for check in Check:
            if check is not Check.CONNECT and tally.looked[check]:
                say(f"{check.value:<8} {tally.passed(check):,} of {tally.looked[check]:,} in order")
        if self.connect and tally.connectable:
            say(f"{Check.CONNECT.value:<8} {tally.connected:,} of {tally.connectable:,} connected")
        for label, number, remark in (
            ("skipped", tally.outcomes["skipped"], "not looked at"),
            ("revoked", tally.outcomes["revoked"], "not looked at"),
            ("own key", tally.keeping_keys * self.connect, "nobody but the device can connect with it"),
            ("sealed", tally.sealed, _closed(connect=self.connect)),
            ("torn", remarks.torn_lines, "in the audit trail: a kill can leave a line so"),
            ("untold", remarks.unrecorded_things, "made by a call whose line a kill kept out of the audit trail"),
        ):
            if number:
                say(f"{label:<8} {number:,}: {remark}")
        word = "verified and connected" if self.connect and not tally.sealed else "verified"
        say(f"{tally.ok:,} of {counted(tally.devices, 'bundle')} {word}")
        if remarks.refused_as_another:
            say(remarks.refused_as_another)
        if tally.problems:
            self._hint()

    def _hint(self) -> None:
        """Where a run was made with ``--local`` and is not verified so, say that."""
        if self.local or not (self.connect or self.access is not None):
            return
        with closing(live_ledger(self.root / "ledger.db")) as reader:
            if reader.meta().get("endpoint") == "localhost":
                say("thingmill: this run was made with --local; give it to verify too", err=True)


def _closed(*, connect: bool) -> str:
    """Say what was not done with encrypted keys, and how it could be."""
    what = "not looked into, nor connected" if connect else "not looked into"
    return f"keys are encrypted, and were {what} (see --identity and --passphrase)"
