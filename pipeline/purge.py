"""The folders of a device removed from a run: its private key first, each name durably gone.

Every step goes through an open folder below the run's, and follows no symbolic link: nothing outside is reached,
whatever was put in a folder's place meanwhile. Unlinking is not shredding: on an SSD or a file system with a
journal or snapshots the bytes of a key may survive until they are overwritten.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import files
from pipeline.bundles.formats import FORMATS, PEM
from pipeline.bundles.listings import LISTINGS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pipeline.layout import RunFolder

__all__ = ["has_folders", "listings_in", "purge", "remove_listing"]

_KEYS = (".key", ".key.age")
"""How the names of keys end; any other file that its owner alone may read (0400) holds one too."""


def has_folders(folder: RunFolder, thing_name: str) -> bool:
    """Whether a device has a bundle, a staging folder, or one that was exported into the run's folder."""
    return any(os.path.lexists(place) for place in _places(folder, thing_name))


def purge(folder: RunFolder, thing_name: str) -> None:
    """Remove a device's bundle, its staging folder, and what was exported of it into the run's folder, durably.

    Folders that are not there are no failure.

    Args:
        folder: The run's folder.
        thing_name: A valid thing name, so a name of a folder and no path.

    Raises:
        DiskError: The disk refused, or one of them holds a folder that is no format's: that one stays.
    """
    with files.named(folder.bundle(thing_name), "remove"):
        if Path(thing_name).name != thing_name or thing_name == "..":
            raise OSError(errno.EINVAL, "not a folder of this run")
    for place in _places(folder, thing_name):
        with files.named(place, "remove"):
            try:
                _remove(folder.root, place)
            except FileNotFoundError:
                continue


def listings_in(folder: RunFolder) -> dict[Path, str]:
    """Return the listings that a run's folder has, those of exports included: where each is, and its name."""
    places = [(above / name, name) for above in (folder.root, folder.exports) for name in LISTINGS]
    return {place: name for place, name in places if os.path.lexists(place)}


def remove_listing(root: Path, place: Path, names: Collection[str]) -> None:
    """Remove a listing that has no device left, durably, and its folder where nothing else is in it.

    Args:
        root: The run's folder.
        place: The listing's folder, below it.
        names: The names of its files.

    Raises:
        DiskError: The disk refused, or something else is in the folder too: that stays, and the folder with it.
    """
    *above, name = place.relative_to(root).parts
    with files.named(place, "remove"), ExitStack() as stack:
        parent = _open(stack, str(root), None)
        for part in above:
            parent = _open(stack, part, parent)
        inner = _open(stack, name, parent)
        found, folders = _look_into(inner)
        _unlink([file for file in found if file.name in names])
        if folders or any(file.name not in names for file in found):
            raise OSError(errno.ENOTEMPTY, "it holds what is not of the listing")
        os.rmdir(name, dir_fd=parent)
        files.sync(parent)


def _places(folder: RunFolder, thing_name: str) -> Iterator[Path]:
    yield folder.bundle(thing_name)
    yield folder.staged(thing_name)
    if not os.path.lexists(folder.exports):
        return  # not looked into once for every format and device
    for name in (PEM, *FORMATS):
        above = folder.exports / name
        yield folder.below(above, thing_name)
        yield folder.partial(above, thing_name)


@dataclass(frozen=True, slots=True)
class _File:
    """A file in an open folder."""

    handle: int
    name: str
    secret: bool


def _remove(root: Path, place: Path) -> None:
    *above, name = place.relative_to(root).parts
    with ExitStack() as stack:
        parent = _open(stack, str(root), None)
        for part in above:
            parent = _open(stack, part, parent)
        inner = _open(stack, name, parent)
        found, folders = _look_into(inner)
        if not FORMATS.keys() >= folders:
            raise OSError(errno.EINVAL, "it holds a folder, which is not the run's")
        opened = {each: _open(stack, each, inner) for each in sorted(folders)}
        for handle in opened.values():
            more, deeper = _look_into(handle)
            if deeper:
                raise OSError(errno.EINVAL, "it holds a folder in a folder, which is not the run's")
            found += more
        # The keys of all its folders are durably gone before anything else goes.
        for secret in (True, False):
            _unlink([file for file in found if file.secret is secret])
        for each in opened:
            os.rmdir(each, dir_fd=inner)
        files.sync(inner)
        os.rmdir(name, dir_fd=parent)
        files.sync(parent)


def _look_into(handle: int) -> tuple[list[_File], set[str]]:
    """Return the files of an open folder, and the names of the folders in it."""
    found: list[_File] = []
    folders: set[str] = set()
    with os.scandir(handle) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.add(entry.name)
                continue
            mode = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)
            found.append(_File(handle, entry.name, entry.name.endswith(_KEYS) or mode == files.SECRET))
    return found, folders


def _unlink(found: list[_File]) -> None:
    for file in sorted(found, key=lambda file: file.name):
        os.unlink(file.name, dir_fd=file.handle)
    for handle in {file.handle for file in found}:
        files.sync(handle)


def _open(stack: ExitStack, name: str, parent: int | None) -> int:
    # The run's folder itself is wherever the user says it is; below it no link is followed.
    below = 0 if parent is None else os.O_NOFOLLOW
    handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | below, dir_fd=parent)
    stack.callback(os.close, handle)
    if parent is not None and os.fstat(handle).st_uid != os.geteuid():
        raise OSError(errno.EPERM, "it belongs to another user")
    return handle
