"""The devices of one manifest in a scratch database, so that a million of them take no memory.

::

    roster (seq, thing_name, folded UNIQUE, spki UNIQUE, line, description, target)    a row for each device
    names  (kind, name, target, file, line, column)                                    types, … and their first use

A target's number is its place among ``Roster.targets``.

The file is private (0600 in a 0700 folder) and goes with the roster. It holds names and CSRs, never a key. A
ledger can ATTACH it by its ``path``.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from pipeline.device import Device
from pipeline.manifest.columns import Field
from pipeline.manifest.faults import Place
from pipeline.manifest.names import quoted
from pipeline.manifest.tables import COPIED, FIND, INSERT, KEY_TYPES, PRAGMAS, SCHEMA, TOTALS, disk_errors
from pipeline.manifest.totals import Totals
from pipeline.settings import KeyType
from pipeline.target import MOST_TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from pipeline.manifest.rows import ManifestRow
    from pipeline.manifest.rules import Entry
    from pipeline.part import Part
    from pipeline.target import Target

__all__ = ["Listed", "Roster"]

_BATCH = 1000
_BATCH_CHARACTERS = 1 << 20
"""Rows are short, but nobody is kept from writing a thousand of 100 KB."""
_NOTED = 2000


_Values = tuple[int, str, str | None, str | None, int, str, int]
"""What ``INSERT`` takes."""


class Listed(NamedTuple):
    """A device of the roster, found by its name.

    Attributes:
        thing_name: Its name, which may differ by case from the one that was looked for.
        line: Its line in the manifest.
        brings_csr: Whether it keeps its own key; True also where its row has a fault and nobody can tell.
    """

    thing_name: str
    line: int
    brings_csr: bool


class Roster:
    """The devices of one manifest, in its order. A context manager that deletes its file.

    Attributes:
        path: The database, for ``ATTACH``.
        is_of_failures: Whether the manifest says of devices why they failed, as a run's ``failed.csv`` does.
    """

    def __init__(self) -> None:
        with disk_errors():
            self._folder = tempfile.TemporaryDirectory(prefix="thingmill-")
            self.path = Path(self._folder.name) / "roster.db"
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            self._connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self.is_of_failures = False
        self._seq = 0
        self._batch: list[_Values] = []
        self._rows: list[ManifestRow] = []
        self._held = 0
        self._noted: set[tuple[Field, str, int]] = set()
        self._targets: dict[Target, int] = {}
        self._shares: list[Roster] = []
        with disk_errors():
            self._connection.executescript(PRAGMAS + SCHEMA)
            self._connection.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete the database, and those of its shares. Closing twice is no error."""
        for share in self._shares:
            share.close()
        self._connection.close()
        self._folder.cleanup()

    def __len__(self) -> int:
        """Return the number of devices."""
        count: int = self._connection.execute("SELECT count(*) FROM roster").fetchone()[0]
        return count

    def devices(self) -> Iterator[Device]:
        """Yield the devices in the manifest's order, as a stream."""
        for line, description in self._connection.execute("SELECT line, description FROM roster ORDER BY seq"):
            yield Device.from_json(description, line)

    def totals(self) -> Totals:
        """Return what the manifest asks for, in numbers."""
        return Totals(*self._connection.execute(TOTALS).fetchone())

    def targets(self) -> tuple[Target, ...]:
        """Return the accounts and Regions that the manifest names, in the order of their first rows."""
        return tuple(self._targets)

    def target_counts(self) -> dict[Target, int]:
        """Return how many devices go to each of ``targets``."""
        counts = dict(self._connection.execute("SELECT target, count(*) FROM roster GROUP BY target"))
        return {target: counts.get(number, 0) for target, number in self._targets.items()}

    def number_of(self, target: Target) -> int | None:
        """Return the number of a target, or None where the manifest names too many."""
        if target not in self._targets and len(self._targets) == MOST_TARGETS:
            return None
        return self._targets.setdefault(target, len(self._targets))

    def split(self) -> dict[Target, Roster]:
        """Return a roster for each target, with its devices and the names that these use; this one is sealed.

        They go with this one. A target none of whose devices is of this part has an empty one.
        """
        shares = {}
        for target, number in self._targets.items():
            shares[target] = share = Roster()
            self._shares.append(share)
            share.is_of_failures = self.is_of_failures
            share.seal()
            with disk_errors():
                self._connection.execute("ATTACH ? AS share", (str(share.path),))
                self._connection.execute("PRAGMA share.journal_mode = OFF")
                for copied in COPIED:
                    self._connection.execute(copied, (number,))
                self._connection.execute("DETACH share")
        return shares

    def keep(self, part: Part) -> None:
        """Leave only the devices of one part; the roster is sealed.

        The types, groups and policies stay that the whole manifest names: whoever provisions a part is told early
        of what the account lacks.
        """
        with disk_errors():
            self._connection.create_function("is_kept", 1, part.holds, deterministic=True)
            self._connection.execute("DELETE FROM roster WHERE NOT is_kept(thing_name)")

    def find(self, thing_name: str) -> Listed | None:
        """Return the device of a name, without regard to case; the roster is sealed."""
        row = self._connection.execute(FIND, (thing_name.lower(),)).fetchone()
        return None if row is None else Listed(row[0], row[1], bool(row[2]))

    def thing_types(self) -> dict[str, Place | None]:
        """Return the thing types in use, with the place of their first use (None: the run's default)."""
        return self._names(Field.THING_TYPE)

    def groups(self) -> dict[str, Place | None]:
        """Return the thing groups in use, with the place of their first use (None: the run's default)."""
        return self._names(Field.THING_GROUPS)

    def billing_groups(self) -> dict[str, Place | None]:
        """Return the billing groups in use, with the place of their first use (None: the run's default)."""
        return self._names(Field.BILLING_GROUP)

    def policies(self) -> dict[str, Place | None]:
        """Return the policies in use, with the place of their first use (None: the run's default)."""
        return self._names(Field.POLICY)

    def names_recipients(self) -> bool:
        """Return whether any row names age recipients for its key."""
        return bool(self._names(Field.ENCRYPT_TO))

    def key_counts(self, default: KeyType) -> dict[KeyType, int]:
        """Return how many keys are to be made, by type.

        Args:
            default: The type for rows that name none.
        """
        counts = {KeyType(name): 0 for name in self._names(Field.KEY_TYPE)}
        if counts:  # otherwise a question about a million rows is spared
            for name, count in self._connection.execute(KEY_TYPES):
                counts[KeyType(name)] = count
        left = self.totals().keys_to_make - sum(counts.values())
        if left:
            counts[default] = counts.get(default, 0) + left
        return counts

    def add(self, entry: Entry, row: ManifestRow) -> None:
        """Enter a device. A duplicate is logged as a fault of its row, at the latest in ``seal``."""
        self._seq += 1
        self._batch.append((self._seq, *entry))
        self._rows.append(row)
        self._held += len(row.raw)
        if len(self._batch) >= _BATCH or self._held >= _BATCH_CHARACTERS:
            self._flush()

    def note(self, kind: Field, name: str, place: Place | None, target: int = 0) -> None:
        """Remember a name's first use at a target."""
        use = (kind, name, target)
        if use in self._noted:
            return
        if len(self._noted) >= _NOTED:
            self._noted.clear()
        self._noted.add(use)
        where = (None, None, None) if place is None else (place.file, place.line, place.column)
        with disk_errors():
            self._connection.execute("INSERT OR IGNORE INTO names VALUES (?, ?, ?, ?, ?, ?)", (*use, *where))

    def seal(self) -> None:
        """Enter what is left; the devices can be read from here on, by other connections too."""
        self._flush()
        with disk_errors():
            self._connection.execute("COMMIT")
            self._connection.execute("PRAGMA shrink_memory")

    def _names(self, kind: Field) -> dict[str, Place | None]:
        rows = self._connection.execute(
            "SELECT name, file, line, column FROM names WHERE kind = ? ORDER BY line, column, name", (kind,)
        )
        found: dict[str, Place | None] = {}
        for name, file, line, column in rows:
            found.setdefault(name, None if file is None else Place(file, line, column))
        return found

    def _flush(self) -> None:
        """Enter the batch; look for duplicates only where fewer rows went in than came."""
        batch, rows = self._batch, self._rows
        self._batch, self._rows, self._held = [], [], 0
        with disk_errors():
            if self._connection.executemany(INSERT, batch).rowcount < len(batch):
                for values, row in zip(batch, rows, strict=True):
                    self._explain(values, row)

    def _explain(self, values: _Values, row: ManifestRow) -> None:
        """Log why a row did not go in, if it did not, and enter what is new of it for those that follow."""
        seq, name, folded, spki, line, description, target = values
        find = self._connection.execute
        if find("SELECT 1 FROM roster WHERE seq = ?", (seq,)).fetchone():
            return
        same_name = find("SELECT thing_name, line FROM roster WHERE folded = ?", (folded,)).fetchone()
        same_key = find("SELECT thing_name, line FROM roster WHERE spki = ?", (spki,)).fetchone()
        if same_name:
            row.fault(row.layout.thing_name or 0, _same_name(name, *same_name))
        if same_key:
            first, first_line = same_key
            reason = f"the CSR has the key of {quoted(first)} on line {first_line}; each device needs its own"
            row.fault(row.csr_column, reason)
        new = (None if same_name else folded, None if same_key else spki)
        entered = (seq, name, *new, line, description, target)
        find(INSERT, entered)


def _same_name(name: str, first: str, line: int) -> str:
    if name == first:
        return f"thing name {quoted(name)} is on line {line} already"
    return (
        f"thing name {quoted(name)} differs from {quoted(first)} on line {line} only by case, and would share "
        "its folder on some disks"
    )
