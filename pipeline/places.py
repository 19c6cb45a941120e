"""Where an export puts what formats made: a folder here, or whatever else can have files at a name once."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

import anyio.to_thread

from pipeline import files, privacy
from pipeline.exported import DiffersError, UnwrittenError, files_there
from pipeline.secret import plain
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pipeline.bundles.parts import Contents
    from pipeline.layout import RunFolder

__all__ = ["FolderPlace", "Made", "Place", "prepare"]

_OPTION = "--to"
"""What chooses where an export goes."""


@dataclass(frozen=True, slots=True)
class Made:
    """A device's files in one format.

    Attributes:
        thing_name: Whose.
        format_name: In which.
        contents: The files by name.
        matches: Whether files that were exported earlier are the device's too, where making them again gives other
            bytes; None where they have to be the same to the bit.
    """

    thing_name: str
    format_name: str
    contents: Contents
    matches: Callable[[Mapping[str, bytes]], bool] | None = None


class Place(Protocol):
    """Has files of devices, each once."""

    @property
    def at_once(self) -> int:
        """Devices that may be in work at once."""

    @property
    def is_shared(self) -> bool:
        """Whether others than the user may read what is put there, so that a key in clear has to be meant."""

    async def prepare(self, format_names: Sequence[str]) -> None:
        """Have what the files of each format go into.

        Raises:
            DiskError: The disk refused, or the place is open to other users.
        """

    async def have(self, made: Made) -> bool:
        """Have a device's files there, and return whether they were written: else they were there, and the same.

        Raises:
            DiffersError: Something else stands in their place, and stays.
            UnwrittenError: They cannot be written, in a sentence.
            ThingmillError: None can.
        """

    def notes(self) -> list[str]:
        """Return what is to be said at the end of how files lie there."""


def prepare(to: Path) -> None:
    """Have a folder to export to, which is ours alone and stays what it is.

    Raises:
        DiskError: It is open to other users, or somebody else decides what stands at its name.
    """
    privacy.check_above(to, _OPTION)
    files.folder_above(to)
    files.private_folder(to, _OPTION)


@dataclass(slots=True)
class FolderPlace:
    """A folder with one for each format in it: a device's is filled beside its place and gets its name when whole.

    Attributes:
        to: The folder.
        folder: The run's, in whose way devices are spread.
    """

    to: Path
    folder: RunFolder
    at_once: ClassVar[int] = 16  # nearly all of their time is spent waiting for the disk (fsync)
    is_shared: ClassVar[bool] = False
    _ready: set[Path] = field(default_factory=set)
    """Folders that were seen to be private, so that no device has to look again."""

    async def prepare(self, format_names: Sequence[str]) -> None:
        """Have the folder for the export, and in it one for each format (``Place``)."""
        await anyio.to_thread.run_sync(self._prepare, format_names)

    async def have(self, made: Made) -> bool:
        """Have a device's folder (``Place``)."""
        try:
            return await anyio.to_thread.run_sync(self._have, made)
        except FileNotFoundError:
            raise UnwrittenError(
                f"{made.format_name}: something else removes files in {_shown(self.to)}"
            ) from None

    def notes(self) -> list[str]:
        """Return nothing (``Place``)."""
        return []

    def _prepare(self, format_names: Sequence[str]) -> None:
        prepare(self.to)
        for name in format_names:
            self._private(self.to / name)

    def _have(self, made: Made) -> bool:
        above = self.to / made.format_name
        place = self.folder.below(above, made.thing_name)
        if os.path.lexists(place):
            found = files_there(place, made.contents)
            if made.matches is not None:
                same = made.matches(found)
            else:
                same = all(found[file] == plain(data) for file, data in made.contents.items())
            if not same:
                raise DiffersError(f"{_shown(place)} is there already and differs")
            return False
        if place.parent != above:
            self._private(place.parent)
        partial = self.folder.partial(above, made.thing_name)
        files.private_folder(partial)
        files.sweep_temporaries(partial)
        for left in partial.iterdir():
            if left.name not in made.contents:
                files.remove(left)
        files.fill(partial, made.contents)
        files.publish_folder(partial, place)
        return True

    def _private(self, folder: Path) -> None:
        if folder not in self._ready:
            files.private_folder(folder, _OPTION)
            self._ready.add(folder)


def _shown(path: Path) -> str:
    return printable(str(path))
