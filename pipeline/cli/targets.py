"""One run or several: what the accounts and Regions that a manifest names make of ``thingmill run``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.cli.fleet import FleetInvocation, Member
from pipeline.cli.invocation import Invocation
from pipeline.cli.runs import RUN_NAME
from pipeline.elsewhere import refuse_moved, refuse_other_kind
from pipeline.errors import UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from pipeline.manifest import Roster
    from pipeline.progress import Kind
    from pipeline.settings import Settings
    from pipeline.target import Target

__all__ = ["invocation_of"]


def invocation_of(settings: Settings, roster: Roster, kind: Kind) -> Invocation | FleetInvocation:
    """Return what carries a manifest out: one run, or one for each account and Region that its rows name.

    Raises:
        UsageError: It names several, where only one can be meant.
        RunFolderError: A device has another account or Region than the run that has it.
    """
    targets, folder = roster.targets(), settings.run_folder
    if len(targets) == 1 and not settings.resumes_failed:
        refuse_other_kind(folder, is_joint=False)
        if not (folder / "ledger.db").is_file():
            refuse_moved(folder, roster.path, {})
    if len(targets) == 1:
        # The embedded AWS IoT is what it is, whatever rows say.
        return Invocation(settings if settings.local else settings.at(*targets[0]), roster, kind)
    _refuse(settings, targets)
    refuse_other_kind(folder, is_joint=True)
    members = {}
    for target, share in roster.split().items():
        place = folder.with_name(f"{folder.name}-{target.name}")
        members[target.name] = Member(
            replace(settings.at(*target), run_folder=place, joined_in=folder.name), share
        )
    numbers = {member.settings.run_folder.name: number for number, member in enumerate(members.values())}
    refuse_moved(folder, roster.path, numbers)
    return FleetInvocation(settings, roster, kind, members)


def _refuse(settings: Settings, targets: tuple[Target, ...]) -> None:
    """See that several targets can be meant.

    Raises:
        UsageError: They cannot.
    """
    named = f"{len(targets)} accounts or Regions"
    if settings.local:
        raise UsageError(
            f"rows name {named}, and --local is one account in one Region",
            advice="leave out --local, or try a manifest without the columns profile and region",
        )
    if settings.resumes_failed:
        raise UsageError(
            f"rows name {named}, and a list of failures goes on with the run that it is of",
            advice="leave out the columns profile and region; give --profile where the run's is not the default",
        )
    for target in targets:
        name = f"{settings.run_folder.name}-{target.name}"
        if not RUN_NAME.fullmatch(name):
            raise UsageError(f"{printable(name)} is too long to name a run", advice="give a shorter --name")
