"""What is to be taken back of a run: which devices, what that means in numbers, and what it leaves of the run.

While a device is being taken back, its run is not gone on with: what the ledger says of it may no longer be so on
the account, from the first call on. Once a part of a run is taken back, the rest may go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.counting import counted, verb
from pipeline.device import State
from pipeline.errors import RunFolderError, UsageError
from pipeline.made import recall
from pipeline.purge import has_folders, listings_in
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.layout import RunFolder
    from pipeline.ledger import Reader

__all__ = ["DELETABLE", "Plan", "Scope", "Selection", "look", "refuse_revoked"]

DELETABLE = ("policy", "thing group", "billing group")
"""What the run made and can be deleted again. AWS IoT deletes a thing type only five minutes after it was set
deprecated (API reference, DeleteThingType), so types stay."""

_UNTOUCHED = f"(outcome IS 'skipped' AND state = {State.LISTED:d} AND thing_created = 0)"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked for.

    Attributes:
        devices: The names of the only things that are meant; none means all.
        failed_only: Only devices that failed.
        things: Delete the things too that the run made.
        purge: Remove the folders of keys and bundles.
    """

    devices: tuple[str, ...] = ()
    failed_only: bool = False
    things: bool = False
    purge: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it is about the run and not about some of its devices."""
        return not self.devices and not self.failed_only


@dataclass(frozen=True, slots=True)
class Selection:
    """A scope in terms of a ledger: conditions for ``Reader.entries`` and ``Reader.count``.

    Attributes:
        standing: Devices that are not revoked yet.
        doubtful: Those of them whose last request has no answer.
        entries: All that there may be something to do for: revoked ones too, whose thing or folders are left.
        things: Those of them whose thing the run made.
    """

    standing: str
    doubtful: str
    entries: str
    things: str

    @classmethod
    def of(cls, scope: Scope, reader: Reader) -> Selection:
        """Return the conditions for a scope.

        Raises:
            UsageError: The run has no such device.
        """
        meant = "1"
        if scope.devices:
            meant = f"seq IN ({', '.join(str(_seq(reader, name)) for name in scope.devices)})"
        if scope.failed_only:
            meant += " AND outcome IS 'failed'"
        standing = f"({meant} AND outcome IS NOT 'revoked' AND NOT {_UNTOUCHED})"
        left = [f"({meant} AND outcome IS 'revoked' AND thing_created = 1)"] if scope.things else []
        left += [f"({meant} AND outcome IS 'revoked')"] if scope.purge else []
        entries = " OR ".join([standing, *left])
        return cls(
            standing=standing,
            doubtful=f"{standing} AND state = {State.REQUESTED:d}",
            entries=entries,
            things=f"({entries}) AND thing_created = 1",
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What a revoke will do, in numbers.

    Attributes:
        devices: Devices to take back.
        certificates: Certificates to withdraw that the ledger knows.
        in_doubt: Requests without an answer, to be settled first: each may have led to a certificate.
        rejected: Certificates that failed inspection and are not known to be gone.
        things: Things to delete.
        made: Names to delete by kind, once every device is taken back.
        folders: Devices whose folders are to be removed.
        retired: Devices whose earlier certificates were retired: they are left without any.
        listings: The listings of the run that are cleared of these devices, as paths in its folder.
    """

    devices: int
    certificates: int
    in_doubt: int
    rejected: int
    things: int
    made: Mapping[str, tuple[str, ...]]
    folders: int
    retired: int
    listings: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to take back."""
        return not (self.devices or self.things or self.made or self.folders)


def look(reader: Reader, folder: RunFolder, scope: Scope) -> Plan:
    """Return what a revoke would do, changing nothing.

    Args:
        reader: The run's ledger.
        folder: The run's folder.
        scope: What is asked for.

    Raises:
        UsageError: The run has no such device.
    """
    chosen = Selection.of(scope, reader)
    folders = 0
    if scope.purge:
        entries = reader.entries(chosen.entries)
        folders = sum(has_folders(folder, entry.device.thing_name) for entry in entries)
    made = recall(reader.meta()) if scope.things and scope.is_whole else {}
    devices = reader.count(chosen.standing)
    listings = sorted(listings_in(folder)) if devices or folders else []
    return Plan(
        devices=devices,
        certificates=reader.count(f"{chosen.standing} AND certificate_id IS NOT NULL"),
        in_doubt=reader.count(chosen.doubtful),
        rejected=len(reader.rejections()),
        things=reader.count(chosen.things) if scope.things else 0,
        made={kind: made[kind] for kind in DELETABLE if kind in made},
        folders=folders,
        retired=reader.count(f"{chosen.standing} AND retired_at IS NOT NULL"),
        listings=tuple(place.relative_to(folder.root).as_posix() for place in listings),
    )


def refuse_revoked(reader: Reader, root: Path) -> None:
    """See that a run was not taken back before it is gone on with.

    Raises:
        RunFolderError: All of it was, or a revoke was begun and has not ended.
    """
    outcomes, total = reader.outcomes(), sum(reader.counts().values())
    revoked, where = outcomes["revoked"], f"the run in {printable(str(root))}"
    if revoked and revoked == total - outcomes["skipped"]:
        raise RunFolderError(
            f"{where} was revoked", advice="provision the devices anew in another folder with --name"
        )
    if begun := reader.count("revoking = 1 AND outcome IS NOT 'revoked'"):
        raise RunFolderError(
            f"{where} is being revoked: {begun:,} of {counted(total, 'device')} {verb('are', total)} not taken "
            "back wholly",
            advice="run the same thingmill revoke again until it ends well; then the run can go on with the rest",
        )


def _seq(reader: Reader, thing_name: str) -> int:
    seq = reader.seq_of(thing_name)
    if seq is None:
        raise UsageError(
            f"--device {printable(thing_name, 128)}: the run has no such device",
            advice="give a thing name as it stands in summary.csv",
        )
    return seq
