"""The bundles of finished devices in other formats, written from the bundles alone, to where a line picks them up.

A bundle that ``verify`` would find fault with is not handed out. Each device's folder is filled beside its place
and gets its name when it is whole, so an export that was killed goes on when it is run again; and what has a name
already is never written over.
"""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from pipeline import files, privacy
from pipeline.bundles import pem
from pipeline.bundles.formats import FORMATS, PKCS12
from pipeline.codes import FindingCode
from pipeline.device import State
from pipeline.errors import DeviceError, UsageError
from pipeline.exported import DiffersError, UnwrittenError, files_there
from pipeline.hardening import harden
from pipeline.secret import plain
from pipeline.staging import read_parts
from pipeline.text import printable
from pipeline.unsealing import KeyNotOpenedError
from pipeline.verify import offline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pipeline.bundles.parts import Parts
    from pipeline.layout import RunFolder
    from pipeline.ledger import Entry, Reader
    from pipeline.secret import Secret
    from pipeline.unsealing import Opener

__all__ = ["AT_ONCE", "Exported", "Fate", "Order", "export", "prepare"]

_OPTION = "--to"
"""What chooses where an export goes."""

AT_ONCE = 16
"""Devices in work at once: nearly all of their time is spent waiting for the disk (fsync)."""


class Fate(enum.StrEnum):
    """What became of a device in one format."""

    WRITTEN = "written"
    THERE = "there"
    """It was there already, and the same."""
    LEFT_OUT = "left out"
    """The format means nothing for a device that keeps its own key."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be exported.

    Attributes:
        formats: The formats, ``pem`` or of ``bundles.formats``.
        to: The folder that gets one for each format.
        names: Only these devices; empty for all that are done.
        password: Encrypts PKCS #12 files, or None.
        opener: Opens keys that are encrypted, or None.
        in_clear: Whether formats that take a key's file as it is get it opened, too.
    """

    formats: Sequence[str]
    to: Path
    names: Sequence[str] = ()
    password: Secret | None = None
    opener: Opener | None = None
    in_clear: bool = False

    def opens(self, format_name: str) -> bool:
        """Whether keys are opened for a format."""
        made = FORMATS.get(format_name)
        return self.in_clear or (made is not None and made.opens_key)

    def may_open(self, format_name: str) -> bool:
        """Whether an encrypted key may be opened for a format: it was said so, or is encrypted there too."""
        return self.in_clear or (format_name == PKCS12 and self.password is not None)


@dataclass(frozen=True, slots=True)
class Exported:
    """What became of one device.

    Attributes:
        thing_name: Which.
        fates: What became of it by format.
        problems: Why it was not exported, or not in some format, in sentences that are safe to print.
        unsound: Whether its bundle is not in order.
        differs: Whether something else stands in the place of what was to be written.
    """

    thing_name: str
    fates: Mapping[str, Fate]
    problems: Sequence[str]
    unsound: bool = False
    differs: bool = False


async def export(reader: Reader, folder: RunFolder, order: Order, tell: Callable[[Exported], None]) -> None:
    """Export devices, some at once however many there are.

    Args:
        reader: The run's ledger.
        folder: The run's folder, which nobody else works on meanwhile.
        order: What is to be exported.
        tell: Called with what became of each device, as it comes.

    Raises:
        UsageError: The run has no device of a name that was given.
        DiskError: The disk refused, or the folder to export to is open to other users.
    """
    harden()  # keys are read in this process
    entries = _chosen(reader, order.names)
    exporter = _Exporter(folder, order)
    await anyio.to_thread.run_sync(exporter.prepare)
    # Taken before a task is made, given back when it ends: no more tasks than places, however long the run.
    places = anyio.Semaphore(AT_ONCE)

    async def one(entry: Entry) -> None:
        try:
            tell(await anyio.to_thread.run_sync(exporter.export, entry))
        finally:
            places.release()

    async with anyio.create_task_group() as group:
        for entry in entries:
            await places.acquire()
            group.start_soon(one, entry)


def prepare(to: Path) -> None:
    """Have a folder to export to, which is ours alone and stays what it is.

    Raises:
        DiskError: It is open to other users, or somebody else decides what stands at its name.
    """
    privacy.check_above(to, _OPTION)
    files.folder_above(to)
    files.private_folder(to, _OPTION)


def _chosen(reader: Reader, names: Sequence[str]) -> Iterator[Entry]:
    """Return the entries of the devices that were named, or of all that are done."""
    if not names:
        return reader.entries(f"state = {State.DONE:d} AND outcome IS NULL")
    numbers: list[int] = []
    for name in dict.fromkeys(names):
        seq = reader.seq_of(name)
        if seq is None:
            raise UsageError(
                f"the run has no device {printable(name, 128)}",
                advice="give a thing name as it stands in summary.csv",
            )
        numbers.append(seq)
    return (entry for seq in numbers for entry in reader.entries(f"seq = {seq:d}"))


@dataclass(slots=True)
class _Exporter:
    """Exports one device after the other, from several threads."""

    folder: RunFolder
    order: Order
    _ready: set[Path] = field(default_factory=set)
    """Folders that were seen to be private, so that no device has to look again."""

    def prepare(self) -> None:
        """Have the folder for the export, and in it one for each format."""
        prepare(self.order.to)
        for name in self.order.formats:
            self._have(self.order.to / name)

    def export(self, entry: Entry) -> Exported:
        """Write a device's files in each format, unless they are there."""
        name = entry.device.thing_name
        if entry.state is not State.DONE or entry.outcome is not None:
            return Exported(name, {}, [f"it is not done ({FindingCode.NOT_DONE})"])
        findings = offline.look(entry, self.folder.bundle(name), datetime.now(UTC), self.order.opener)
        problems = [f"{finding.message} ({finding.code})" for finding in findings]
        if problems:
            return Exported(name, {}, problems, unsound=True)
        differs = False
        fates: dict[str, Fate] = {}
        try:
            parts = self._parts(entry)
            opened = self._opened(parts) if any(map(self.order.opens, self.order.formats)) else parts
        except FileNotFoundError:
            return Exported(name, {}, ["its bundle was taken away meanwhile"])
        except KeyNotOpenedError as error:
            return Exported(name, {}, [f"its key is not exported: {error.message}"])
        except ValueError as error:
            return Exported(name, {}, [f"its bundle is not as a run writes it: {printable(str(error), 200)}"])
        for format_name in self.order.formats:
            try:
                fates[format_name] = self._write(format_name, self._fitting(format_name, parts, opened))
            except UnwrittenError as error:
                problems.append(str(error))
                differs |= isinstance(error, DiffersError)
            except DeviceError as error:
                problems.append(f"{format_name}: {printable(error.message)}")
            except FileNotFoundError:
                problems.append(f"{format_name}: something else removes files in {_shown(self.order.to)}")
        return Exported(name, fates, problems, differs=differs)

    def _parts(self, entry: Entry) -> Parts:
        """Return what formats are made from, out of a bundle that was found in order just now."""
        name = entry.device.thing_name
        bundle = self.folder.bundle(name)
        if entry.certificate is None:
            raise AssertionError(f"{name} is done and has no certificate")
        certificate = replace(entry.certificate, pem=files.read_file(bundle / f"{name}.pem").decode("ascii"))
        config, roots = (files.read_file(bundle / file) for file in ("config.json", pem.roots_name(name)))
        endpoint = pem.endpoint_in(config, roots, name)
        return replace(read_parts(bundle, entry.device, certificate, endpoint), password=self.order.password)

    def _opened(self, parts: Parts) -> Parts:
        """Return the same with the key in clear, which was seen to be the device's.

        Raises:
            KeyNotOpenedError: It does not open.
        """
        if parts.key is None or self.order.opener is None:
            return parts
        return replace(parts, key=self.order.opener.open(parts.key))

    def _fitting(self, format_name: str, parts: Parts, opened: Parts) -> Parts:
        """Return what a format is made from: with the key as it lies there, or opened where that may be.

        Raises:
            UnwrittenError: A key that is encrypted would be in clear, and nobody said that it may.
        """
        if not self.order.opens(format_name):
            return parts
        if parts.key is not None and parts.key.encrypted and not self.order.may_open(format_name):
            raise UnwrittenError(f"{format_name}: its key is encrypted, and would be in clear (see --in-clear)")
        return opened

    def _write(self, format_name: str, parts: Parts) -> Fate:
        name = parts.device.thing_name
        made = FORMATS.get(format_name)
        if made is not None and made.needs_key and parts.key is None:
            return Fate.LEFT_OUT
        contents = pem.whole(parts) if made is None else made.make(parts)
        above = self.order.to / format_name
        place = self.folder.below(above, name)
        if os.path.lexists(place):
            found = files_there(place, contents)
            if made is not None and made.matches is not None:
                same = made.matches(parts, found)
            else:
                same = all(found[file] == plain(data) for file, data in contents.items())
            if not same:
                raise DiffersError(f"{_shown(place)} is there already and differs")
            return Fate.THERE
        if place.parent != above:
            self._have(place.parent)
        partial = self.folder.partial(above, name)
        files.private_folder(partial)
        files.sweep_temporaries(partial)
        for left in partial.iterdir():
            if left.name not in contents:
                files.remove(left)
        files.fill(partial, contents)
        files.publish_folder(partial, place)
        return Fate.WRITTEN

    def _have(self, folder: Path) -> None:
        if folder not in self._ready:
            files.private_folder(folder, _OPTION)
            self._ready.add(folder)


def _shown(path: Path) -> str:
    return printable(str(path))
