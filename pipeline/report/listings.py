"""The listings of a run: each in a folder of its name beside the reports, a line for every device that is done."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline import files, privacy
from pipeline.bundles.listing import Listed
from pipeline.bundles.listings import LISTINGS
from pipeline.counting import counted
from pipeline.device import State
from pipeline.errors import DiskError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pipeline.bundles.listing import Listing
    from pipeline.layout import RunFolder
    from pipeline.ledger import Entry, Reader

__all__ = ["FINISHED", "write_listings"]

FINISHED = f"state = {State.DONE:d} AND outcome IS NULL"
"""Picks the devices of a ledger that can be handed out."""

_CHUNK = 1 << 16
"""Bytes gathered before they are written."""


@dataclass(slots=True)
class _Missing:
    """Counts the devices that a listing leaves out."""

    count: int = 0


def write_listings(reader: Reader, folder: RunFolder, names: Iterable[str], to: Path | None = None) -> list[str]:
    """Write listings, each whole and in a stream; the same ledger and bundles give the same bytes.

    Args:
        reader: The run's ledger.
        folder: The run's folder: a device's certificate is in its bundle and nowhere else.
        names: Which; names that are no listing are passed over.
        to: Where their folders are made; by default the run's folder.

    Returns:
        What is to be told: a listing lacks devices whose bundles were taken away, or are no longer as they were.

    Raises:
        DiskError: The disk refused; a listing is as it was or as it should be.
    """
    notes: list[str] = []
    for name in names:
        if name not in LISTINGS:
            continue
        listing, place, missing = LISTINGS[name], (to or folder.root) / name, _Missing()
        files.private_folder(place)
        files.sweep_temporaries(place)
        files.fill(place, listing.static)
        lines = _lines(reader, folder, listing, missing)
        files.replace_whole_from(place / listing.name, _in_chunks(lines))
        if missing.count:
            why = "its bundle was" if missing.count == 1 else "their bundles were"
            notes.append(f"{name} lacks {counted(missing.count, 'device')}: {why} taken away or changed")
    return notes


def _lines(reader: Reader, folder: RunFolder, listing: Listing, missing: _Missing) -> Iterator[bytes]:
    yield listing.header
    for entry in reader.entries(FINISHED):
        listed = _listed(entry, folder)
        if listed is None:
            missing.count += 1
        else:
            yield listing.line(listed)


def _listed(entry: Entry, folder: RunFolder) -> Listed | None:
    """Return what a listing has of a device, or None where its certificate is not in its bundle any more."""
    name = entry.device.thing_name
    bundle = folder.bundle(name)
    try:
        # No link is followed on the way: the last part of it is for the reader of the file to see to.
        for place in (bundle.parent, bundle):
            privacy.check_folder(place)
        pem = files.read_file(bundle / f"{name}.pem")
    except (FileNotFoundError, DiskError):
        return None
    if entry.certificate is None or hashlib.sha256(pem).hexdigest() != entry.files.get(f"{name}.pem"):
        return None
    return Listed(
        device=entry.device,
        certificate=replace(entry.certificate, pem=pem.decode("ascii")),
        folder=bundle.relative_to(folder.root).as_posix(),
        has_key=entry.device.csr is None,
    )


def _in_chunks(lines: Iterable[bytes]) -> Iterator[bytes]:
    gathered = bytearray()
    for line in lines:
        gathered += line
        if len(gathered) >= _CHUNK:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)
