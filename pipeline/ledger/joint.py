"""One ledger put together from those of several runs, for the reports of them all.

It holds no run: nothing goes on from it, and the bundles stay where they are. It is put together in one
transaction, so whoever reads it finds the one before or the new one.
"""

from __future__ import annotations

import contextlib
import shlex
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

from pipeline.binding import MERGED, PART
from pipeline.codes import DeviceCode
from pipeline.device import State
from pipeline.errors import RunFolderError
from pipeline.ledger import schema
from pipeline.ledger.entries import entry_of
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from pipeline.ledger.entries import Entry
    from pipeline.ledger.reader import Reader

__all__ = ["EXAMPLES", "Joint", "Listed", "Overlap"]

_COLUMNS = (
    "thing_name",
    "folded",
    "line",
    "description",
    "state",
    "thing_created",
    "spki_sha256",
    "requested_at",
    "certificate_id",
    "certificate_arn",
    "certificate_pem",
    "not_after",
    "files",
    "old_certificates",
    "retired_at",
    "outcome",
    "revoking",
    "failed_step",
    "error_code",
    "error_message",
    "error_advice",
    "updated_at",
)
_NAMES = ", ".join(_COLUMNS)
_MARKS = ", ".join("?" * len(_COLUMNS))
_INSERT = f"INSERT OR IGNORE INTO devices ({_NAMES}, origin) VALUES ({_MARKS}, ?)"  # noqa: S608  our own names
_UPDATE = f"UPDATE devices SET ({_NAMES}, origin) = ({_MARKS}, ?) WHERE folded = ?"  # noqa: S608  our own names
_TABLES = ("samples", "processes", "rejected", "devices", "origins", "meta")
_MISSING = "FROM meant.roster AS r WHERE r.folded NOT IN (SELECT folded FROM devices)"
_PLACES = """
CREATE TEMP TABLE places (old INTEGER PRIMARY KEY, new INTEGER NOT NULL);
INSERT INTO places SELECT {key}, row_number() OVER (ORDER BY {order}, {key}) FROM {table};
"""
"""New numbers for the rows of a table, in another order."""
_IN_MANIFEST = "coalesce((SELECT r.seq FROM meant.roster AS r WHERE r.folded = devices.folded), 1 << 40), line"
"""The order of a manifest's rows, which may be in several files; strangers come behind them."""


_ANEW = "do not use this run folder; get it anew from where it was made"

EXAMPLES = 100
"""Devices that are named of many."""


class Listed(NamedTuple):
    """Devices: how many they are, and the names of the first ``EXAMPLES`` of them."""

    number: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """A device that two runs have.

    Attributes:
        thing_name: Its thing.
        runs: Both runs, the one first whose word is taken.
        doubled: Whether each of them has given the thing a certificate.
    """

    thing_name: str
    runs: tuple[str, str]
    doubled: bool


class Joint:
    """A joint ledger while it is put together. Use it as a context manager; an error leaves what was there.

    Args:
        path: Its file, which is made where there is none.
        roster: The roster of the manifest that the runs are held against, or None.

    Raises:
        RunFolderError: There is the ledger of a run.
        DiskError: The disk refused.
    """

    def __init__(self, path: Path, roster: Path | None) -> None:
        with schema.readable(path):
            self._connection = schema.connect(path)
            if roster is not None:
                self._connection.execute("ATTACH ? AS meant", (str(roster),))
        self._path = path
        self._has_roster = roster is not None
        self._runs: list[str] = []

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self._connection.close)
            self._execute("BEGIN IMMEDIATE")
            if self._is_of_a_run():
                raise RunFolderError(
                    "the folder is a run's own, and not for the reports of several",
                    advice="choose another one with --name or --output",
                )
            for table in _TABLES:
                self._execute(f"DELETE FROM {table}")  # noqa: S608  our own names
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._execute("COMMIT")
            # What is not committed is undone when the file is closed, or was by SQLite where the disk refused.
            with contextlib.suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._connection.close()

    @contextlib.contextmanager
    def _writable(self) -> Iterator[None]:
        """Say plainly what the disk refuses, and which run has what cannot be."""
        with schema.readable(self._path, "written"):
            try:
                yield
            except sqlite3.IntegrityError as error:
                raise RunFolderError(
                    f"{printable(self._runs[-1])} has a row that no thingmill can have written: "
                    f"{printable(str(error))}",
                    advice=_ANEW,
                ) from error

    def _execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        with self._writable():
            return self._connection.execute(statement, values)

    def _is_of_a_run(self) -> bool:
        part = self._execute("SELECT value FROM meta WHERE key = ?", (PART,)).fetchone()
        has_devices = self._execute("SELECT 1 FROM devices LIMIT 1").fetchone()
        return bool(part and part["value"] != MERGED) or bool(has_devices and not part)

    def take(self, run: str, folder: str, reader: Reader, *, sharded: bool) -> Iterable[Overlap]:
        """Take the devices of a run, and yield those that another run has too.

        Args:
            run: Its name.
            folder: Its folder, relative to that of this ledger.
            reader: Its ledger.
            sharded: Whether its devices are in ``devices/ab/NAME/``.

        Raises:
            RunFolderError: Two devices have one certificate: no thingmill wrote that.
        """
        self._runs.append(run)
        number = len(self._runs)
        self._execute("INSERT INTO origins VALUES (?, ?, ?, ?)", (number, run, folder, sharded))
        for entry, row in reader.rows():
            values = [row[name] for name in _COLUMNS]
            if self._execute(_INSERT, (*values, number)).rowcount == 1:
                continue
            held = self._execute("SELECT * FROM devices WHERE folded = ?", (row["folded"],)).fetchone()
            if held is None:
                raise RunFolderError(
                    f"{printable(run)}: a certificate of {printable(entry.device.thing_name)} is another device's",
                    advice=_ANEW,
                )
            yield self._settle(entry_of(held), entry, [*values, number, row["folded"]])
        self._take_processes(reader)

    def _settle(self, held: Entry, found: Entry, values: list[object]) -> Overlap:
        """Decide between what two runs say of one device, and see whether both gave it a certificate."""
        first, second = self._runs[(held.origin or 1) - 1], self._runs[-1]
        if _rank(found) > _rank(held):
            self._execute(_UPDATE, values)
            first, second = second, first
        doubled = _may_have_attached(held) and _may_have_attached(found) and _id(held) != _id(found)
        name = printable(found.device.thing_name, 128)
        if doubled:
            certain = _has_attached(held) and _has_attached(found)
            message = (
                f"the thing {name} has a certificate of {printable(first)} and "
                f"{'one' if certain else 'perhaps one'} of {printable(second)}"
            )
            advice = (
                f"take one of them back, before anything is retired: thingmill revoke RUN --device "
                f"{shlex.quote(name)}; then merge again"
            )
            self._execute(
                "UPDATE devices SET outcome = 'failed', failed_step = 8, error_code = ?, error_message = ?, "
                "error_advice = ? WHERE folded = ?",
                (DeviceCode.IN_TWO_RUNS, message, advice, values[-1]),
            )
        return Overlap(name, (first, second), doubled)

    def _take_processes(self, reader: Reader) -> None:
        insert = "INSERT INTO processes (started, about, usage) VALUES (?, ?, ?)"
        for process in reader.processes():
            row = self._execute(insert, (process.started, process.about, process.usage)).lastrowid
            samples = ((row, sample.second, sample.reading) for sample in reader.samples(process.number))
            with self._writable():
                self._connection.executemany("INSERT INTO samples VALUES (?, ?, ?)", samples)

    def strangers(self) -> Listed:
        """Return the devices that a run has and the manifest has not."""
        return self._listed("FROM devices WHERE folded NOT IN (SELECT folded FROM meant.roster) ORDER BY seq")

    def fill_gaps(self) -> Listed:
        """Enter the devices of the manifest that no run has, as not begun yet, and return them."""
        gaps = self._listed(f"{_MISSING} ORDER BY r.seq")
        if not gaps.number:
            return gaps
        self._execute(
            "INSERT INTO devices (thing_name, folded, line, description) "
            f"SELECT r.thing_name, r.folded, r.line, r.description {_MISSING}"
        )
        return gaps

    def _listed(self, question: str) -> Listed:
        if not self._has_roster:
            return Listed(0, ())
        [number] = self._execute(f"SELECT count(*) {question}").fetchone()
        first = self._execute(f"SELECT thing_name {question} LIMIT {EXAMPLES}")
        return Listed(number, tuple(printable(row["thing_name"], 128) for row in first))

    def put_in_order(self, *, by_line: bool) -> None:
        """Number devices by their place in the manifest, or run after run; and processes by when they began."""
        execute = self._execute
        place = _IN_MANIFEST if self._has_roster else "line"
        for table, key, order in (
            ("devices", "seq", place if by_line else "origin IS NULL, origin"),
            ("processes", "process", "started"),
        ):
            for statement in _PLACES.format(table=table, key=key, order=order).split(";"):
                execute(statement)
            for name in (table, "samples") if table == "processes" else (table,):
                # Through negative numbers: each is taken until all are moved.
                execute(f"UPDATE {name} SET {key} = -(SELECT new FROM places WHERE old = {key})")  # noqa: S608
                execute(f"UPDATE {name} SET {key} = -{key}")  # noqa: S608
            execute("DROP TABLE places")

    def note(self, meta: Mapping[str, str]) -> None:
        """Note what the runs have in common."""
        values = {**meta, PART: MERGED}
        with self._writable():
            self._connection.executemany("INSERT INTO meta VALUES (?, ?)", values.items())


def _rank(entry: Entry) -> tuple[bool, bool, bool, int]:
    """Return how much a word on a device counts: two certificates before done, failed and taken back."""
    in_two = entry.error is not None and entry.error.code == DeviceCode.IN_TWO_RUNS
    is_done = entry.outcome is None and entry.state is State.DONE
    return in_two, is_done, entry.outcome != "revoked", entry.state


def _has_attached(entry: Entry) -> bool:
    return entry.state >= State.LINKED and entry.outcome != "revoked"


def _may_have_attached(entry: Entry) -> bool:
    """Whether a run's certificate may be attached: it may also have been stopped before that was noted."""
    gave_way = entry.error is not None and entry.error.code == DeviceCode.THING_CONTESTED
    is_between = entry.state is State.BUNDLED and entry.outcome != "revoked" and not gave_way
    return is_between or _has_attached(entry)


def _id(entry: Entry) -> str | None:
    return entry.certificate.certificate_id if entry.certificate else None
