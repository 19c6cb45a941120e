"""What is to be taken back of a run: what that means in numbers, and what it leaves of the run.

From the first call of a revoke to its end the run is not gone on with: devices of it are to be taken back, and
what the ledger says of one may no longer be so on the account. Once a part is taken back, the rest may go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.begun import begun
from pipeline.counting import counted
from pipeline.errors import RunFolderError
from pipeline.made import recall
from pipeline.purge import has_folders, listings_in
from pipeline.scope import Selection
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.layout import RunFolder
    from pipeline.ledger import Reader
    from pipeline.scope import Scope

__all__ = ["DELETABLE", "Plan", "look", "refuse_revoked"]

DELETABLE = ("policy", "thing group", "billing group")
"""What the run made and can be deleted again. AWS IoT deletes a thing type only five minutes after it was set
deprecated (API reference, DeleteThingType), so types stay."""


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
        given_up: Devices that an earlier revoke was to take back, and that are kept now.
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
    given_up: int = 0

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
    before = begun(reader) if scope.begun_only else None
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
        given_up=before.left - before.half if before else 0,
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
    before = begun(reader)
    if before.left:
        name = root.resolve().name
        which = "the same revoke again" if before.scopes else "a revoke of what is half taken back"
        keeping = f"; or keep what it has not begun with: {before.keeping(name)}" if before.scopes else ""
        raise RunFolderError(
            f"{where} is being revoked: {before.left:,} of {counted(total, 'device')} left to take back",
            advice=f"run {which} until it ends ({before.commands(name)}), and the run can go on with what it "
            f"leaves{keeping}",
        )
