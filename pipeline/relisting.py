"""The listings of a run of which devices were taken back, written again without them, those of exports too.

A line works a listing off without asking anybody, so one that still names a device that is revoked would have it
made all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.bundles.listings import LISTINGS
from pipeline.errors import DiskError
from pipeline.purge import listings_in, remove_listing
from pipeline.report import FINISHED, write_listings

if TYPE_CHECKING:
    from pipeline.layout import RunFolder
    from pipeline.ledger import Reader

__all__ = ["Relisted", "relist"]


@dataclass(frozen=True, slots=True)
class Relisted:
    """What there is to tell of listings.

    Attributes:
        notes: What a person should know.
        stays: Why a listing is not as it should be, by its path in the run's folder.
    """

    notes: list[str] = field(default_factory=list)
    stays: dict[str, str] = field(default_factory=dict)


def relist(reader: Reader, folder: RunFolder, *, purge: bool) -> Relisted:
    """Write again every listing that a run's folder has, from the devices that are done and not taken back.

    Args:
        reader: The run's ledger.
        folder: The run's folder.
        purge: Remove listings where no such device is left.
    """
    told = Relisted()
    purge = purge and not reader.count(FINISHED)
    for place, name in listings_in(folder).items():
        listing = LISTINGS[name]
        try:
            if purge:
                remove_listing(folder.root, place, {listing.name, *listing.static})
            else:
                told.notes.extend(write_listings(reader, folder, [name], place.parent))
        except DiskError as error:
            told.stays[place.relative_to(folder.root).as_posix()] = error.message
    return told
