"""The bundles of finished devices in other formats, written from the bundles alone, to where a line picks them up.

A bundle that ``verify`` would find fault with is not handed out. A place (``places``) has each device's files
once: an export that was killed goes on when it is run again, and what is there already is never written over.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from pipeline import files
from pipeline.bundles import pem
from pipeline.bundles.formats import FORMATS, PKCS12
from pipeline.codes import FindingCode
from pipeline.device import State
from pipeline.errors import DeviceError, UsageError
from pipeline.exported import DiffersError, UnwrittenError
from pipeline.hardening import harden
from pipeline.places import Made
from pipeline.staging import read_parts
from pipeline.text import printable
from pipeline.unsealing import KeyNotOpenedError
from pipeline.verify import offline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pipeline.bundles.parts import Parts
    from pipeline.layout import RunFolder
    from pipeline.ledger import Entry, Reader
    from pipeline.places import Place
    from pipeline.secret import Secret
    from pipeline.unsealing import Opener

__all__ = ["Exported", "Fate", "Order", "export", "has_clear_keys"]

_DONE = f"state = {State.DONE:d} AND outcome IS NULL"


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
        names: Only these devices; empty for all that are done.
        password: Encrypts PKCS #12 files, or None.
        opener: Opens keys that are encrypted, or None.
        in_clear: Whether formats that take a key's file as it is get it opened, too.
    """

    formats: Sequence[str]
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


async def export(
    reader: Reader, folder: RunFolder, order: Order, place: Place, tell: Callable[[Exported], None]
) -> None:
    """Export devices, some at once however many there are.

    Args:
        reader: The run's ledger.
        folder: The run's folder, which nobody else works on meanwhile.
        order: What is to be exported.
        place: Where to.
        tell: Called with what became of each device, as it comes.

    Raises:
        UsageError: The run has no device of a name that was given.
        DiskError: The disk refused, or the folder to export to is open to other users.
        RefusedError: The bucket to export to, or AWS, refused.
    """
    harden()  # keys are read in this process
    entries = _chosen(reader, order.names)
    exporter = _Exporter(folder, order, place)
    await place.prepare(order.formats)
    # Taken before a task is made, given back when it ends: no more tasks than turns, however long the run.
    turns = anyio.Semaphore(place.at_once)

    async def one(entry: Entry) -> None:
        try:
            tell(await exporter.export(entry))
        finally:
            turns.release()

    async with anyio.create_task_group() as group:
        for entry in entries:
            await turns.acquire()
            group.start_soon(one, entry)


def has_clear_keys(reader: Reader, names: Sequence[str]) -> bool:
    """Whether the ledger has a device to export whose key was made here, and for no recipients of its row's own.

    Args:
        reader: The ledger of a run whose keys are not all encrypted.
        names: Only these devices; empty for all that are done.

    Raises:
        UsageError: The run has no device of a name that was given.
    """
    if names:
        return any(entry.device.csr is None and not entry.device.encrypt_to for entry in _chosen(reader, names))
    fields = " AND ".join(f"json_extract(description, '$.{name}') IS NULL" for name in ("csr", "encrypt_to"))
    return reader.count(f"{_DONE} AND {fields}") > 0


def _chosen(reader: Reader, names: Sequence[str]) -> Iterator[Entry]:
    """Return the entries of the devices that were named, or of all that are done."""
    if not names:
        return reader.entries(_DONE)
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
    place: Place

    async def export(self, entry: Entry) -> Exported:
        """Have a device's files in each format, unless they are there."""
        looked = await anyio.to_thread.run_sync(self._look, entry)
        if isinstance(looked, Exported):
            return looked
        differs = False
        fates: dict[str, Fate] = {}
        problems: list[str] = []
        for name in self.order.formats:
            try:
                made = await anyio.to_thread.run_sync(self._made, name, *looked)
                if made is None:
                    fates[name] = Fate.LEFT_OUT
                else:
                    fates[name] = Fate.WRITTEN if await self.place.have(made) else Fate.THERE
            except UnwrittenError as error:
                problems.append(str(error))
                differs |= isinstance(error, DiffersError)
            except DeviceError as error:
                problems.append(f"{name}: {printable(error.message)}")
        return Exported(entry.device.thing_name, fates, problems, differs=differs)

    def _look(self, entry: Entry) -> Exported | tuple[Parts, Parts]:
        """Return what formats are made from, as it lies there and with its key opened, or why there is nothing."""
        name = entry.device.thing_name
        if entry.state is not State.DONE or entry.outcome is not None:
            return Exported(name, {}, [f"it is not done ({FindingCode.NOT_DONE})"])
        findings = offline.look(entry, self.folder.bundle(name), datetime.now(UTC), self.order.opener)
        problems = [f"{finding.message} ({finding.code})" for finding in findings]
        if problems:
            return Exported(name, {}, problems, unsound=True)
        try:
            parts = self._parts(entry)
            opened = self._opened(parts) if any(map(self.order.opens, self.order.formats)) else parts
        except FileNotFoundError:
            return Exported(name, {}, ["its bundle was taken away meanwhile"])
        except KeyNotOpenedError as error:
            return Exported(name, {}, [f"its key is not exported: {error.message}"])
        except ValueError as error:
            return Exported(name, {}, [f"its bundle is not as a run writes it: {printable(str(error), 200)}"])
        return parts, opened

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

    def _made(self, format_name: str, parts: Parts, opened: Parts) -> Made | None:
        """Return a device's files in a format, or None where it means nothing for the device.

        Raises:
            UnwrittenError: A key would be in clear, and nobody said that it may.
            DeviceError: The format cannot be made.
        """
        chosen = self._fitting(format_name, parts, opened)
        name = parts.device.thing_name
        made = FORMATS.get(format_name)
        if made is None:
            return Made(name, format_name, pem.whole(chosen))
        if made.needs_key and parts.key is None:
            return None
        matches = None if made.matches is None else partial(made.matches, chosen)
        return Made(name, format_name, made.make(chosen), matches)

    def _fitting(self, format_name: str, parts: Parts, opened: Parts) -> Parts:
        """Return what a format is made from: with the key as it lies there, or opened where that may be.

        Raises:
            UnwrittenError: A key would be in clear, and nobody said that it may: one that is encrypted, anywhere;
                any other, where more than the user may read it.
        """
        opens = self.order.opens(format_name)
        if parts.key is not None and not self.order.may_open(format_name):
            if parts.key.encrypted and opens:
                raise UnwrittenError(
                    f"{format_name}: its key is encrypted, and would be in clear (see --in-clear)"
                )
            if self.place.is_shared and not parts.key.encrypted:
                raise UnwrittenError(f"{format_name}: its key would be in the bucket in clear (see --in-clear)")
        return opened if opens else parts
