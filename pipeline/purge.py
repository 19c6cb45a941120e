"""The folders of a device removed from a run: its private key first, each name durably gone.

Every step goes through an open folder below the run's, and follows no symbolic link: nothing outside is reached,
whatever was put in a folder's place meanwhile. Unlinking is not shredding: on an SSD or a file system with a
journal or snapshots the bytes of a key may survive until they are overwritten.
"""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from pipeline import files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.layout import RunFolder

__all__ = ["has_folders", "purge"]


def has_folders(folder: RunFolder, thing_name: str) -> bool:
    """Whether a device has a bundle or a staging folder."""
    return any(os.path.lexists(place) for place in _places(folder, thing_name))


def purge(folder: RunFolder, thing_name: str) -> None:
    """Remove a device's bundle and its staging folder, durably; folders that are not there are no failure.

    Args:
        folder: The run's folder.
        thing_name: A valid thing name, so a name of a folder and no path.

    Raises:
        DiskError: The disk refused, or one of them is no folder of files alone: that one stays.
    """
    for place in _places(folder, thing_name):
        with files.named(place, "remove"):
            if place.name != thing_name or thing_name == "..":
                raise OSError(errno.EINVAL, "not a folder of this run")
            try:
                _remove(folder.root, place)
            except FileNotFoundError:
                continue


def _places(folder: RunFolder, thing_name: str) -> tuple[Path, Path]:
    return folder.bundle(thing_name), folder.staged(thing_name)


def _remove(root: Path, place: Path) -> None:
    *above, name = place.relative_to(root).parts
    with ExitStack() as stack:
        parent = _open(stack, str(root), None)
        for part in above:
            parent = _open(stack, part, parent)
        inner = _open(stack, name, parent)
        with os.scandir(inner) as found:
            entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
        if any(is_folder for _, is_folder in entries):
            raise OSError(errno.EINVAL, "it holds a folder, which is not the run's")
        for entry in _keys_first(entry for entry, _ in entries):
            os.unlink(entry, dir_fd=inner)
        files.sync(inner)
        os.rmdir(name, dir_fd=parent)
        files.sync(parent)


def _open(stack: ExitStack, name: str, parent: int | None) -> int:
    # The run's folder itself is wherever the user says it is; below it no link is followed.
    below = 0 if parent is None else os.O_NOFOLLOW
    handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | below, dir_fd=parent)
    stack.callback(os.close, handle)
    if parent is not None and os.fstat(handle).st_uid != os.geteuid():
        raise OSError(errno.EPERM, "it belongs to another user")
    return handle


def _keys_first(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (not name.endswith(".key"), name))
