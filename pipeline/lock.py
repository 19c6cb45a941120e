"""One run, one owner: a lock that the kernel gives back, however its holder ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING, Self

from pipeline import files, privacy
from pipeline.errors import DiskError, RunFolderError
from pipeline.text import printable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RunLock"]

_TRIES = 3
_PAUSE_SECONDS = 0.02


class RunLock:
    """An flock on a file of the run folder. Use it as a context manager.

    Raises:
        RunFolderError: Another process holds it; the message names its process id.
        DiskError: What has its name is no file that only this run has.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1

    def __enter__(self) -> Self:
        with files.named(self._path, "lock"):
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            self._handle = os.open(self._path, flags, 0o600)
        try:
            # Under a second name it is some other file, which would be emptied below.
            privacy.check_file(self._path, os.fstat(self._handle))
        except DiskError:
            os.close(self._handle)
            raise
        try:
            self._lock()
            self._check_still_there()
        except BlockingIOError:
            holder = os.pread(self._handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._handle)
            raise RunFolderError(
                f"the run folder {printable(str(self._path.parent))} is in use by process {printable(holder)}",
                advice="wait until it ends, or stop it with Ctrl-C: a run can always be resumed",
            ) from None
        # The process id is for people only: the lock itself needs no cleaning up after a kill or a reboot.
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode("ascii"), 0)
        return self

    def _lock(self) -> None:
        """Take the lock. ``thingmill status`` tries it for an instant, which must not look like an owner."""
        for _ in range(_TRIES):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            time.sleep(_PAUSE_SECONDS)
        fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _check_still_there(self) -> None:
        """See that the file that is locked is still the one that others would lock."""
        try:
            same = os.path.samestat(os.fstat(self._handle), self._path.lstat())
        except FileNotFoundError:
            same = False
        if not same:
            os.close(self._handle)
            raise RunFolderError(
                f"the lock in {printable(str(self._path.parent))} was taken away",
                advice="run the same command again",
            )

    def __exit__(self, *exc_info: object) -> None:
        os.ftruncate(self._handle, 0)
        os.close(self._handle)
