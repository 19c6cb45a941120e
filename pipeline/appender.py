"""A file that only grows: whole lines appended, durable when ``append`` returns."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from pipeline import files, privacy
from pipeline.errors import DiskError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Appender"]

OWNERS = 0o600


class Appender:
    """Appends to a file, which is made if need be, for its owner alone.

    A line that a killed process or a full disk left without its end is ended first: the next stands by itself.

    Raises:
        DiskError: It is no regular file, has another name besides, or the disk refused.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with files.named(path, "open"):
            self._handle = os.open(path, flags, OWNERS)
            files.sync_folder(path.parent)
            found = os.fstat(self._handle)
        try:
            privacy.check_file(path, found)
        except DiskError:
            self.close()
            raise
        with files.named(path, "open"):
            # The umask may have taken bits away; it never adds any.
            os.fchmod(self._handle, OWNERS)
        self._torn = True

    def append(self, data: bytes) -> None:
        """Append, durably.

        Raises:
            DiskError: The disk refused. The file is as long as it was, unless that was refused too: then a part of
                the data may be there, or all of it.
        """
        with files.named(self._path, "write"):
            before = os.fstat(self._handle).st_size
            ends_whole = not self._torn or self._ends_whole(before)
            self._torn = True
            try:
                self._write(data if ends_whole else b"\n" + data)
                files.sync(self._handle)
            except BaseException:
                # Whoever appends the same again must not find its first lines there already.
                with contextlib.suppress(OSError):
                    os.ftruncate(self._handle, before)
                raise
            self._torn = False

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._handle, left) :]

    def _ends_whole(self, size: int) -> bool:
        return not size or os.pread(self._handle, 1, size - 1) == b"\n"

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)
