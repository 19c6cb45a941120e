"""Runs that begin together in one process: what they need of one machine, and which go to one account and Region.

Each run looks at its own account. What is true of all of them at once is here: they fill one disk, and keys and
the pace of ``--rate`` go to all in turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.bundles.parts import Endpoint
from pipeline.bundles.roots import amazon_roots
from pipeline.errors import UsageError
from pipeline.layout import RunFolder
from pipeline.preflight import machine, samples
from pipeline.preflight.finding import Finding
from pipeline.preflight.remaining import Remaining
from pipeline.target import Target
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.manifest import Roster
    from pipeline.settings import Settings

__all__ = ["Company"]

_ANYWHERE = "x"
"""A host of AWS IoT before any account was asked for its own: none is shorter."""


@dataclass(frozen=True, slots=True)
class Company:
    """The runs of one process.

    Attributes:
        left: What each has left to do, by its folder.
        formats: What their bundles are written in besides PEM files.
    """

    left: dict[Path, Remaining]
    formats: tuple[str, ...]
    _known: dict[tuple[str, str], list[Target]] = field(default_factory=dict)

    @classmethod
    def of(cls, runs: Iterable[tuple[Settings, Roster]]) -> Company:
        """Look at the runs, which need not exist yet."""
        left: dict[Path, Remaining] = {}
        formats: tuple[str, ...] = ()
        for settings, roster in runs:
            formats = settings.formats  # an option of the command, so it is that of all
            ledger = RunFolder(settings.run_folder, settings.shard).ledger
            left[settings.run_folder] = Remaining.of(roster, ledger, settings.key_type)
        return cls(left, formats)

    def room(self) -> list[Finding]:
        """Say whether what is left of all runs fits on their disk; where they lie on several, of each.

        Raises:
            DiskError: It certainly does not fit.
            ThingmillError: A format cannot be made on this machine.
        """
        roots = amazon_roots()
        further = samples.weigh(self.formats, Endpoint(_ANYWHERE, 1, roots))
        needs = [machine.Need(folder, *left.new, len(roots), further) for folder, left in self.left.items()]
        return [machine.room(*together) for together in machine.by_disk(needs)]

    def beside(self, settings: Settings) -> list[Remaining]:
        """Return what all runs but one have left to do."""
        return [left for folder, left in self.left.items() if folder != settings.run_folder]

    def enter(self, settings: Settings, account: str, region: str) -> Finding | None:
        """Take down where a run goes; say so where another run of another profile goes there too.

        Args:
            settings: The run's.
            account: The account's number, as AWS says it.
            region: The Region of its client.

        Raises:
            UsageError: Another run with the same profile does: rows with and without the Region became two runs,
                each of which would use the whole of one quota.
        """
        target = Target(settings.access.profile or "", settings.access.region or "")
        there = self._known.setdefault((account, region), [])
        others = [other for other in there if other != target]
        there.append(target)
        where = f"account {printable(account)} in {printable(region)}"
        for other in others:
            if other.profile == target.profile:
                one, two = sorted(map(str, (other, target)))
                raise UsageError(
                    f"{one} and {two} are one and the same, {where}, and would be two runs",
                    advice=f"give --region {printable(region)}, or name it in all of these rows or in none",
                )
        if not others:
            return None
        names = " and ".join(sorted(map(str, (*others, target))))
        return Finding(
            "account",
            f"{names} are one and the same, {where}: their runs share its quota as stations do; where that is not "
            "meant, have all rows name one profile",
            worrying=True,
        )
