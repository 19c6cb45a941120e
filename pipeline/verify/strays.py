"""What stands in a run's ``devices/`` and ``staging/`` and should not."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pipeline.codes import FindingCode
from pipeline.device import State
from pipeline.text import printable
from pipeline.verify.findings import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.layout import RunFolder
    from pipeline.ledger import Reader

__all__ = ["strays"]

_SHARD = re.compile("[0-9a-f]{2}")
_THING_NAME = re.compile("[a-zA-Z0-9:_-]{1,128}")


def strays(reader: Reader, folder: RunFolder) -> Iterator[Finding]:
    """Yield what is not of the run among its bundles, and what finished devices left in staging.

    Args:
        reader: The run's ledger.
        folder: The run's folder.
    """
    for path in _bundles(folder):
        # A run that was killed after the rename has a bundle that its ledger does not know yet.
        if not _has_reached(reader, path.name, State.ISSUED) or folder.bundle(path.name) != path:
            yield _foreign(path, folder)
    for path in _listed(folder.staging):
        if _seq_of(reader, path.name) is None:
            yield _foreign(path, folder)
        elif _has_reached(reader, path.name, State.BUNDLED):
            message = f"{_shown(path, folder)} is still there, though its bundle is finished"
            yield Finding(Check.OFFLINE, FindingCode.STAGING_LEFT, message)


def _bundles(folder: RunFolder) -> Iterator[Path]:
    for path in _listed(folder.devices):
        if folder.shard and _SHARD.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            yield from _listed(path)
        else:
            yield path


def _listed(folder: Path) -> Iterator[Path]:
    """Yield what a folder holds; one that is missing holds nothing: each device says so itself."""
    try:
        with os.scandir(folder) as found:
            for entry in found:
                yield folder / entry.name
    except (FileNotFoundError, NotADirectoryError):
        return


def _has_reached(reader: Reader, thing_name: str, state: State) -> bool:
    seq = _seq_of(reader, thing_name)
    return seq is not None and reader.count(f"seq = {seq:d} AND state >= {state:d}") == 1


def _seq_of(reader: Reader, name: str) -> int | None:
    """Return the number of the device that a file's name names, or None.

    A file's name may be no text at all (PEP 383), which SQLite cannot be asked about.
    """
    return reader.seq_of(name) if _THING_NAME.fullmatch(name) else None


def _foreign(path: Path, folder: RunFolder) -> Finding:
    return Finding(Check.OFFLINE, FindingCode.FOREIGN_FOLDER, f"{_shown(path, folder)} is not of this run")


def _shown(path: Path, folder: RunFolder) -> str:
    return printable(path.relative_to(folder.root).as_posix())
