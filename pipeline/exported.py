"""What an earlier export left in a device's folder, where that is what a format makes and closed to all others."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pipeline import files
from pipeline.errors import DiskError
from pipeline.secret import Secret
from pipeline.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.bundles.parts import Contents

__all__ = ["DiffersError", "UnwrittenError", "files_there"]


class UnwrittenError(Exception):
    """A format of a device is not written, in a sentence."""


class DiffersError(UnwrittenError):
    """Something else stands in its place, and stays."""


def files_there(place: Path, contents: Contents) -> dict[str, bytes]:
    """Return what a folder holds that was exported earlier, by name.

    Args:
        place: The device's folder in the folder of a format.
        contents: What is to be in it.

    Raises:
        DiffersError: It is no folder of ours, closed to all others, of these files with their modes.
    """
    shown = f"{printable(str(place))} is there already and"
    try:
        found = place.lstat()
        if not stat.S_ISDIR(found.st_mode) or {path.name for path in place.iterdir()} != set(contents):
            raise DiffersError(f"{shown} does not hold the same files")
        if found.st_uid != os.geteuid():
            raise DiffersError(f"{shown} belongs to another user")
        if (mode := stat.S_IMODE(found.st_mode)) != 0o700:
            raise DiffersError(f"{shown} has mode {mode:04o}, not 0700")
        for file, data in contents.items():
            mode = stat.S_IMODE((place / file).lstat().st_mode)
            if isinstance(data, Secret) and mode != files.SECRET:
                file_shown = printable(str(place / file))
                raise DiffersError(f"{file_shown} holds a key and has mode {mode:04o}, not 0400")
        return {file: files.read_file(place / file) for file in contents}
    except (OSError, DiskError) as error:
        raise DiffersError(f"{shown} cannot be read") from error
