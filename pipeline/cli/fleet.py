"""One invocation of ``thingmill run`` whose manifest names several accounts and Regions (``pipeline.fleet``)."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from pipeline import report
from pipeline.cli.app import run_async, settling_seconds, show
from pipeline.cli.saying import ask_to_go_on, say
from pipeline.cli.standing import describe, finished, folder_of, passphrase_of
from pipeline.errors import InterruptedRunError, ThingmillError
from pipeline.fleet import Fleet, lanes_of_each
from pipeline.history import About
from pipeline.ledger import finished_ledger
from pipeline.merge import merge
from pipeline.meter import Meter
from pipeline.preflight import Company
from pipeline.progress import JsonEvents, display, final_table, print_summary
from pipeline.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from pipeline.manifest import Roster
    from pipeline.preflight import Account, Finding
    from pipeline.progress import Kind
    from pipeline.secret import Secret
    from pipeline.settings import Settings

__all__ = ["FleetInvocation", "Member"]


@dataclass(frozen=True, slots=True)
class Member:
    """One of the runs: its settings, and the devices that are its."""

    settings: Settings
    roster: Roster


@dataclass(slots=True)
class FleetInvocation:
    """What was asked for, and how to show it.

    Attributes:
        settings: Those that all runs have in common; its run folder has the joint reports.
        roster: The whole manifest.
        kind: What to show.
        members: The runs by the names of their targets.
    """

    settings: Settings
    roster: Roster
    kind: Kind
    members: Mapping[str, Member]
    _meter: Meter = field(default_factory=Meter)

    def look(self) -> None:
        """Look at all accounts and say what would be done, as notes where events are asked for; make nothing.

        Raises:
            ThingmillError: The disk or an account refused; what the others said was told.
        """
        tell = self._announce().note if self.kind == "json" else say
        company = self._company(self.members)
        for finding in company.room():
            tell(str(finding))
        fleet = Fleet(self._runs(self.members, company), self._meter)
        accounts: dict[str, Account] = {}

        async def look() -> None:
            accounts.update(await fleet.look())

        run_async(look)
        for name, account in accounts.items():
            member = self.members[name]
            describe(account, member.settings, member.roster, partial(_named, tell, name))
        problems = _by_severity(fleet.problems)
        for problem in problems[1:]:
            show(problem)
        for problem in problems[:1]:
            raise problem

    def ask(self) -> None:
        """Ask a person at a terminal before the first certificate of a run that is new.

        Raises:
            UsageError: The answer was no.
            InterruptedRunError: There was none.
        """
        known = all(folder_of(member.settings).ledger.exists() for member in self.members.values())
        if known or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return
        self.look()
        ask_to_go_on()

    def provision(self) -> int:
        """Provision the devices, show what became of them, and return the exit code: the worst of all runs.

        Raises:
            ThingmillError: There is no room on the disk, or no passphrase; nothing was begun.
        """
        if self.kind == "json":
            self._announce()
        before = {name: finished(member.settings, member.roster) for name, member in self.members.items()}
        left = [name for name, summary in before.items() if summary is None]
        problems: list[ThingmillError] = []
        has_begun = True
        if left:
            passphrase = passphrase_of(self.settings, [folder_of(self.members[name].settings) for name in left])
            company = self._company(left)
            room = company.room()
            fleet = Fleet(
                self._runs(left, company, passphrase),
                self._meter,
                [_counts(self.members[name].settings) for name in self.members if name not in left],
            )
            run_async(partial(self._work, fleet, room))
            problems, has_begun = _by_severity(fleet.problems), fleet.has_begun
            if fleet.is_interrupted:
                problems.append(_interrupted(fleet))
        summary = None
        if has_begun:
            try:
                summary = self._joint(before)
            except ThingmillError as error:
                problems.append(error)
        if summary is not None:
            self._conclude(summary)
        for problem in problems:
            show(problem)
        if not has_begun:
            say(f"           no device of any of the {len(self.members)} runs was begun", err=True)
        if problems:
            return problems[0].exit_code
        return 1 if summary is not None and not summary.is_finished else 0

    async def _work(self, fleet: Fleet, room: Iterable[Finding]) -> None:
        async with display(self._meter, kind=self.kind, stdout=sys.stdout, stderr=sys.stderr):
            for finding in room:
                if finding.worrying:
                    self._meter.note(str(finding))
            await fleet.execute(self.settings, list(self.roster.key_counts(self.settings.key_type)))

    def _company(self, names: Iterable[str]) -> Company:
        return Company.of((self.members[name].settings, self.members[name].roster) for name in names)

    def _runs(self, names: Collection[str], company: Company, passphrase: Secret | None = None) -> dict[str, Run]:
        """Return the runs of some targets, those that have something left to do: they have all lanes."""
        lanes = lanes_of_each(len(names))
        runs = {}
        for name in names:
            member, meter = self.members[name], Meter()
            runs[name] = Run(
                member.settings,
                member.roster,
                meter,
                settling=settling_seconds(),
                passphrase=passphrase,
                lanes=lanes,
                company=company,
            )
        return runs

    def _announce(self) -> JsonEvents:
        """Begin the stream of events, before anything is asked or done."""
        events = JsonEvents(sys.stdout)
        events.announce(self.settings.run_folder.resolve().name, self.roster.totals().devices)
        return events

    def _joint(self, before: Mapping[str, report.Summary | None]) -> report.Summary:
        """Return what the joint reports say; they are written anew unless nothing was left to do.

        Raises:
            ThingmillError: They cannot be written.
        """
        folder = folder_of(self.settings)
        known = [summary for summary in before.values() if summary is not None]
        if len(known) == len(before) and (folder.root / report.REPORT_HTML).is_file():
            reader = finished_ledger(folder.ledger)
            if reader is not None:
                with closing(reader):
                    summary = report.summarise(reader, folder)
                    if reader.is_finished(self.roster.path) and _agree(summary, known):
                        return summary
        runs = [member.settings.run_folder for member in self.members.values()]
        return merge(runs, folder.root, self.roster.path, of_one_part=True).summary

    def _conclude(self, summary: report.Summary) -> None:
        if self.kind == "json":
            print_summary(summary, sys.stdout)
        elif self.kind == "auto":
            final_table(summary, stream=sys.stdout)
            if not summary.is_finished:
                words = "to go on, run" if summary.outcomes["open"] else "once what failed is mended, run"
                command = About.of(self.settings, "").command
                say(f"{words}\n  {command}" if command else f"{words} the same command again")


def _named(tell: Callable[[str], None], name: str, line: str) -> None:
    tell(f"{name}: {line}")


def _by_severity(problems: Mapping[str, ThingmillError]) -> list[ThingmillError]:
    """Return what stopped runs, the worst first, each with the name of its target."""
    for name, problem in problems.items():
        problem.message = f"{name}: {problem.message}"
    return sorted(problems.values(), key=lambda problem: -problem.exit_code)


def _interrupted(fleet: Fleet) -> InterruptedRunError:
    if not fleet.has_begun:
        return InterruptedRunError(
            "the runs were stopped before the first device", advice="run the same command again"
        )
    return InterruptedRunError(
        "the runs were stopped; what was in flight is recorded",
        advice="run the same command again: it goes on from here",
    )


def _counts(settings: Settings) -> Meter:
    """Return the counts of a run that has nothing left to do."""
    meter = Meter()
    reader = finished_ledger(folder_of(settings).ledger)
    if reader is not None:
        with closing(reader):
            counts = reader.counts("outcome IS NOT 'revoked'")
            meter.begin(counts, reader.outcomes()["skipped"])
    return meter


def _agree(joint: report.Summary, runs: list[report.Summary]) -> bool:
    """Whether joint reports have what each of the runs says now."""
    return all(number == sum(run.outcomes[outcome] for run in runs) for outcome, number in joint.outcomes.items())
