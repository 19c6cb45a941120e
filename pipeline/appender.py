"""A file that only grows: whole lines appended, durable when ``append`` returns."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pipeline import files
from pipeline.errors import DiskError
from pipeline.text import printable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Appender"]

OWNERS = 0o600


class Appender:
    """Appends to a file, which is made if need be, for its owner alone.

    A line that a killed process left without its end is ended first, so that the next one stands by itself.

    Raises:
        DiskError: It is no regular file, or the disk refused.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with files.named(path, "open"):
            self._handle = os.open(path, flags, OWNERS)
            files.sync_folder(path.parent)
            found = os.fstat(self._handle)
        if not stat.S_ISREG(found.st_mode):
            self.close()
            raise DiskError(f"{printable(str(path))} is no regular file", advice="move it away and run again")
        if found.st_size and os.pread(self._handle, 1, found.st_size - 1) != b"\n":
            self.append(b"\n")

    def append(self, data: bytes) -> None:
        """Append, durably.

        Raises:
            DiskError: The disk refused; a part of it may be there.
        """
        with files.named(self._path, "write"):
            left = memoryview(data)
            while left:
                left = left[os.write(self._handle, left) :]
            files.sync(self._handle)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)
