"""One invocation of ``thingmill run``, once its manifest is known to be good: look, ask, provision, conclude."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline import files, report
from pipeline.cli.app import run_async, settling_seconds, show
from pipeline.cli.saying import ask_to_go_on, say
from pipeline.cli.standing import describe, finished, folder_of, passphrase_of
from pipeline.errors import ThingmillError
from pipeline.local import embedded
from pipeline.lock import RunLock
from pipeline.meter import Meter
from pipeline.progress import JsonEvents, display, final_table, print_summary
from pipeline.run import Run

if TYPE_CHECKING:
    from pipeline.layout import RunFolder
    from pipeline.local import Embedded
    from pipeline.manifest import Roster
    from pipeline.preflight import Account
    from pipeline.progress import Kind
    from pipeline.secret import Secret
    from pipeline.settings import Settings

__all__ = ["Invocation"]


@dataclass(slots=True)
class Invocation:
    """What was asked for, and how to show it."""

    settings: Settings
    roster: Roster
    kind: Kind
    _meter: Meter = field(default_factory=Meter)
    _summary: report.Summary | None = None
    _passphrase: Secret | None = None

    def look(self) -> None:
        """Look at the account and say what would be done, as notes where events are asked for; make nothing."""
        tell = self._announce().note if self.kind == "json" else say
        describe(self._account(), self.settings, self.roster, tell)

    def ask(self) -> None:
        """Ask a person at a terminal before the first certificate of a new run.

        Raises:
            UsageError: The answer was no.
            InterruptedRunError: There was none.
        """
        if self._folder.ledger.exists() or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return
        self.look()
        ask_to_go_on()

    def provision(self) -> int:
        """Provision the devices, show what became of them, and return the exit code."""
        problem: ThingmillError | None = None
        if self.kind == "json":
            self._announce()
        self._summary = finished(self.settings, self.roster)
        if self._summary is None:
            try:
                self._passphrase = passphrase_of(self.settings, [self._folder])
                run_async(self._run)
            except ThingmillError as error:
                problem = error
        if self._summary is not None:
            self._conclude(self._summary)
        if problem is not None:
            show(problem)
            return problem.exit_code
        return 1 if self._summary is not None and not self._summary.is_finished else 0

    def _announce(self) -> JsonEvents:
        """Begin the stream of events, before anything is asked or done."""
        events = JsonEvents(sys.stdout)
        events.announce(self._folder.root.resolve().name, self.roster.totals().devices)
        return events

    @property
    def _folder(self) -> RunFolder:
        return folder_of(self.settings)

    async def _run(self) -> None:
        async with AsyncExitStack() as stack:
            aws = await self._embedded(stack)
            shown = display(self._meter, kind=self.kind, stdout=sys.stdout, stderr=sys.stderr)
            await stack.enter_async_context(shown)
            run = Run(
                self.settings, self.roster, self._meter, aws, settling_seconds(), passphrase=self._passphrase
            )
            try:
                await run.execute()
            finally:
                self._summary = run.summary

    def _account(self) -> Account:
        found: list[Account] = []

        async def look() -> None:
            async with AsyncExitStack() as stack:
                aws = await self._embedded(stack)
                found.append(await Run(self.settings, self.roster, self._meter, aws).look())

        run_async(look)
        return found[0]

    async def _embedded(self, stack: AsyncExitStack) -> Embedded | None:
        if not self.settings.local:
            return None
        if self._folder.lock.exists():
            # Told before the embedded AWS IoT is found to be in use: the run folder is what matters.
            with RunLock(self._folder.lock):
                pass
        parent = self.settings.run_folder.parent
        files.folder_above(parent / ".local")
        return await stack.enter_async_context(embedded(parent / ".local"))

    def _conclude(self, summary: report.Summary) -> None:
        if self.kind == "json":
            print_summary(summary, sys.stdout)
        elif self.kind == "auto":
            final_table(summary, stream=sys.stdout)
