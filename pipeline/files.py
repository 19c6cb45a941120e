"""The only writer of files: create once, replace whole, fsync.

Every file appears whole or not at all: it is written under a temporary name in the folder it will live in,
fsynced, given its final name, and the folder is fsynced. A file that must never be overwritten gets its name
by ``link``, which fails where the name is taken; ``rename`` would replace it silently.

Folders that hold keys are 0700 and checked to be ours and no symbolic link before anything is written.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import sys
from typing import TYPE_CHECKING, BinaryIO

from pipeline import failpoints, privacy
from pipeline.errors import DiskError
from pipeline.secret import Secret, plain
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = [
    "create_once",
    "fill",
    "folder_above",
    "named",
    "private_folder",
    "publish_folder",
    "read_file",
    "read_lines",
    "remove",
    "replace_whole",
    "replace_whole_from",
    "sweep_temporaries",
    "sync",
    "sync_folder",
    "sync_move",
]

SECRET = 0o400
"""Mode of a private key: its owner may read it, nobody may write it."""
PUBLIC = 0o644
"""Mode of what is no secret. The folder around a device's files is 0700 all the same."""

_TEMPORARY = ".tmp"


def folder_above(folder: Path) -> None:
    """Make the folder that ``folder`` lies in, and those above it, where they are missing.

    Nobody but their owner may write to them, whatever the umask: who may could put another folder in its place.

    Raises:
        DiskError: One of them cannot be made, or is no folder.
    """
    with named(folder.parent, "make the folder"):
        missing = [above for above in folder.absolute().parents if not above.exists()]
        for above in reversed(missing):
            try:
                above.mkdir(mode=0o755)
            except FileExistsError:
                pass
            except FileNotFoundError as error:
                # What a file system says that lets nobody make anything, such as /proc.
                raise PermissionError(errno.EPERM, os.strerror(errno.EPERM)) from error
        if not folder.parent.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def private_folder(folder: Path, option: str = "--output") -> None:
    """Make ``folder`` with mode 0700, or check that what is there is a folder of ours that only we can enter.

    Args:
        folder: Which.
        option: What of the command line chose its place, for the advice.

    Raises:
        DiskError: It is a symbolic link, belongs to somebody else, is open to others, or cannot be made.
    """
    with named(folder, "make the folder"):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        # Also where it is there already: whoever made it may have been killed before its name was durable.
        sync_folder(folder.parent)
        privacy.check_folder(folder, option)


def create_once(path: Path, data: bytes, mode: int = PUBLIC) -> None:
    """Write a file that must not exist yet; whole, durable, and with ``mode`` from its first instant.

    Raises:
        FileExistsError: Something has that name already; it was not touched.
        DiskError: The disk refused.
    """
    with named(path, "write"):
        with _temporary(path, (data,), mode) as temporary:
            # Never rename here: it would replace a key that is already in use.
            os.link(temporary, path, follow_symlinks=False)
            temporary.unlink()
        sync_folder(path.parent)


def replace_whole(path: Path, data: bytes, mode: int = PUBLIC) -> None:
    """Write a file, whole and durable, in the place of whatever had its name.

    Raises:
        DiskError: The disk refused; what was there before is untouched.
    """
    fill(path.parent, {path.name: data}, mode)


def fill(folder: Path, contents: Mapping[str, bytes | Secret], mode: int = PUBLIC) -> None:
    """Write several files of a folder, each whole, durable together: one fsync of the folder names them all.

    Args:
        folder: The folder.
        contents: What to write, by name.
        mode: The mode of what is no ``Secret``; a secret's is 0400 from its first instant.

    Raises:
        DiskError: The disk refused; each file is either as it was or as it should be.
    """
    for name, content in contents.items():
        path = folder / name
        if path.name != name:
            raise DiskError(f"{printable(name, 128)} is no name of a file in {printable(str(folder))}")
        with named(path, "write"):
            own = SECRET if isinstance(content, Secret) else mode
            with _temporary(path, (plain(content),), own) as temporary:
                temporary.replace(path)
    with named(folder, "write"):
        sync_folder(folder)


def replace_whole_from(path: Path, chunks: Iterable[bytes], mode: int = PUBLIC) -> None:
    """Write a file as ``replace_whole`` does, from chunks, so that it need not fit into memory.

    Raises:
        DiskError: The disk refused; what was there before is untouched, as it is when ``chunks`` raises.
    """
    with named(path, "write"):
        with _temporary(path, chunks, mode) as temporary:
            temporary.replace(path)
        sync_folder(path.parent)


def publish_folder(staged: Path, final: Path) -> None:
    """Give a finished folder, whose files are durable (``fill``), its final name.

    Raises:
        DiskError: The disk refused, or the final name is taken.
    """
    with named(final, "publish"):
        failpoints.hit("bundle.rename")
        # rename(2) refuses to replace a folder that is not empty, and a folder is never replaced by halves.
        staged.rename(final)
        failpoints.hit("bundle.renamed")
    sync_move(staged, final)


def sync_move(staged: Path, final: Path) -> None:
    """Make a rename durable at both its ends, done here or by a process that was killed just after it.

    Raises:
        DiskError: The disk refused.
    """
    with named(final, "publish"):
        sync_folder(final.parent)
        sync_folder(staged.parent)


def read_file(path: Path, limit: int = 1 << 20) -> bytes:
    """Return what a file of ours holds, not following a symbolic link at its name.

    Raises:
        FileNotFoundError: There is none.
        DiskError: It is no regular file, larger than ``limit`` bytes, or cannot be read.
    """
    with _opened(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        shown = printable(str(path))
        raise DiskError(
            f"{shown} is larger than {limit:,} bytes", advice="find out who wrote it, and move it away"
        )
    return data


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file of ours, however long it is, not following a symbolic link at its name.

    Raises:
        FileNotFoundError: There is none.
        DiskError: It is no regular file, or cannot be read.
    """
    with _opened(path) as file:
        yield from file


def remove(path: Path) -> None:
    """Remove a file, durably; one that is not there is no failure.

    Raises:
        DiskError: The disk refused.
    """
    with named(path, "remove"):
        try:
            path.unlink()
        except FileNotFoundError:
            return
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable: fsync of a file alone does not keep its name (fsync(2))."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(handle)
    finally:
        os.close(handle)


def sweep_temporaries(folder: Path) -> None:
    """Remove what a killed writer left half-written in ``folder``. None of it ever had a name that counts."""
    with named(folder, "tidy"):
        for entry in folder.iterdir():
            if entry.name.startswith(".") and entry.name.endswith(_TEMPORARY):
                entry.unlink(missing_ok=True)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with named(path, "read"):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            yield file


@contextlib.contextmanager
def _temporary(path: Path, chunks: Iterable[bytes], mode: int) -> Iterator[Path]:
    """Have a file written and fsynced under a temporary name, and no more of it where it gets no other."""
    temporary = path.with_name(f".{secrets.token_hex(8)}{_TEMPORARY}")
    failpoints.hit("file.create")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(temporary, flags, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            # The umask may have taken bits away at creation; it never adds any, so no instant was too open.
            os.fchmod(handle, mode)
            file.writelines(chunks)
            file.flush()
            failpoints.hit("file.written")
            sync(handle)
        failpoints.hit("file.synced")
        yield temporary
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync(handle: int) -> None:
    """Have what was written through an open file on the medium, not only in the drive's cache.

    macOS asks for that by another name.
    """
    if sys.platform == "darwin":
        fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
    else:
        os.fsync(handle)


@contextlib.contextmanager
def named(path: Path, verb: str) -> Iterator[None]:
    """Name the file that the disk refused, but let the two answers pass that callers decide on."""
    try:
        yield
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DiskError(
                f"cannot {verb} {printable(str(path))}: it is a symbolic link, which is not followed",
                advice="find out who put it there, move it away and run the same command again",
            ) from error
        reason = error.strerror or str(error)
        raise DiskError(
            f"cannot {verb} {printable(str(path))}: {reason}",
            advice="mend the disk or its permissions, then run the same command again: it goes on from here",
        ) from error
