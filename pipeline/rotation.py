"""Who of a run may give up old certificates: a scratch database of its devices, what they had, and who was seen.

A run may have more devices than memory should hold, and a log of connections names them in any order. The scratch
is SQLite's own temporary file: it has no name, and is gone with this process.
"""

from __future__ import annotations

import enum
from collections import Counter
from typing import TYPE_CHECKING, Self

from pipeline.errors import UsageError
from pipeline.scratch import disk_errors, open_scratch
from pipeline.sightings import Mute
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from types import TracebackType

    from pipeline.ledger import Reader
    from pipeline.sightings import Connection

__all__ = ["WAITING", "Rotation", "Seen"]

WAITING = "old_certificates IS NOT NULL AND retired_at IS NULL"
"""Which rows of a ledger have old certificates that were not taken away."""

_TABLES = """
CREATE TABLE devices (
    thing_name TEXT PRIMARY KEY,
    certificate_id TEXT,
    waiting INTEGER NOT NULL,
    seen INTEGER NOT NULL DEFAULT 0,
    chosen INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE holders (
    arn TEXT NOT NULL,
    thing_name TEXT NOT NULL,
    released INTEGER NOT NULL,
    PRIMARY KEY (arn, thing_name)
) STRICT, WITHOUT ROWID;
CREATE INDEX by_thing ON holders (thing_name);
"""


_UNKNOWN = "SELECT thing_name FROM named WHERE thing_name NOT IN (SELECT thing_name FROM devices) LIMIT 1"

_TO_GO = """
SELECT count(DISTINCT h.arn) FROM devices AS d JOIN holders AS h USING (thing_name)
WHERE d.chosen AND NOT EXISTS (
    SELECT 1 FROM holders AS o JOIN devices AS e USING (thing_name)
    WHERE o.arn = h.arn AND NOT o.released AND NOT e.chosen
)
"""


class Seen(enum.Enum):
    """What became of a line that says that a device connected."""

    COUNTS = "counts"
    OTHER_CERTIFICATE = "names another certificate"
    UNKNOWN = "names no device of this run"


class Rotation:
    """The devices of a run, as a context manager.

    Args:
        reader: The run's ledger, which is read once.

    Raises:
        DiskError: The scratch database cannot be written.
    """

    def __init__(self, reader: Reader) -> None:
        self._connection = open_scratch(_TABLES)
        with disk_errors():
            self._connection.execute("BEGIN")
            for entry in reader.entries():
                name = entry.device.thing_name
                certificate = entry.certificate.certificate_id if entry.certificate else None
                waiting = bool(entry.old_certificates) and not entry.retired
                self._connection.execute(
                    "INSERT INTO devices VALUES (?, ?, ?, 0, 0)", (name, certificate, int(waiting))
                )
                self._connection.executemany(
                    "INSERT OR IGNORE INTO holders VALUES (?, ?, ?)",
                    [(arn, name, int(entry.retired)) for arn in entry.old_certificates],
                )
            self._connection.execute("COMMIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def refresh(self, reader: Reader) -> None:
        """Take in what another process has retired since the ledger was read."""
        with disk_errors():
            for entry in reader.entries("retired_at IS NOT NULL"):
                self._connection.execute(
                    "UPDATE holders SET released = 1 WHERE thing_name = ?", (entry.device.thing_name,)
                )

    def watch(self, told: Iterable[Connection | Mute]) -> Counter[Seen | Mute]:
        """Take in who was seen, and return how many lines were of which kind.

        A device counts as seen when a bare name says so, or a line with the id of its new certificate.
        """
        kinds: Counter[Seen | Mute] = Counter()
        with disk_errors():
            for line in told:
                kinds[line if isinstance(line, Mute) else self._see(line)] += 1
        return kinds

    def _see(self, line: Connection) -> Seen:
        question = "SELECT certificate_id FROM devices WHERE thing_name = ?"
        row = self._connection.execute(question, (line.thing_name,)).fetchone()
        if row is None:
            return Seen.UNKNOWN
        if line.certificate_id is not None and line.certificate_id != row[0]:
            return Seen.OTHER_CERTIFICATE
        self._connection.execute("UPDATE devices SET seen = 1 WHERE thing_name = ?", (line.thing_name,))
        return Seen.COUNTS

    def count(self) -> int:
        """Return how many devices have old certificates that were not taken away."""
        return self._number("SELECT count(*) FROM devices WHERE waiting")

    def choose(self, *, everybody: bool = False, names: Collection[str] = ()) -> tuple[int, int]:
        """Choose the devices that are to give up their old certificates.

        Args:
            everybody: Also those that were not seen.
            names: Of these things alone; empty for no such limit.

        Returns:
            How many devices are chosen, and how many certificates no other device of the run has.

        Raises:
            UsageError: The run has no device of such a name.
        """
        with disk_errors():
            self._connection.execute("UPDATE devices SET chosen = waiting AND (seen OR ?)", (int(everybody),))
            if names:
                self._connection.execute("CREATE TEMP TABLE named (thing_name TEXT PRIMARY KEY) WITHOUT ROWID")
                self._connection.executemany("INSERT INTO named VALUES (?)", [(name,) for name in names])
                unknown = self._connection.execute(_UNKNOWN).fetchone()
                if unknown is not None:
                    raise UsageError(
                        f"the run has no device {printable(unknown[0], 128)}",
                        advice="give a thing name as it stands in summary.csv",
                    )
                self._connection.execute(
                    "UPDATE devices SET chosen = 0 WHERE thing_name NOT IN (SELECT thing_name FROM named)"
                )
                self._connection.execute("DROP TABLE named")
            return self._number("SELECT count(*) FROM devices WHERE chosen"), self._number(_TO_GO)

    def is_chosen(self, thing_name: str) -> bool:
        """Return whether a device was chosen."""
        return self._holds("SELECT chosen FROM devices WHERE thing_name = ?", thing_name)

    def was_held_by(self, arn: str, thing_name: str) -> bool:
        """Return whether a device of the run had an old certificate."""
        return self._holds("SELECT 1 FROM holders WHERE arn = ? AND thing_name = ?", arn, thing_name)

    def is_shared(self, arn: str, thing_name: str) -> bool:
        """Return whether another device of the run had an old certificate too."""
        return self._holds("SELECT 1 FROM holders WHERE arn = ? AND thing_name <> ? LIMIT 1", arn, thing_name)

    def is_kept(self, arn: str, thing_name: str) -> bool:
        """Return whether another device of the run has an old certificate still."""
        question = "SELECT 1 FROM holders WHERE arn = ? AND thing_name <> ? AND NOT released LIMIT 1"
        return self._holds(question, arn, thing_name)

    def release(self, arn: str, thing_name: str) -> None:
        """A device has an old certificate no longer."""
        with disk_errors():
            self._connection.execute(
                "UPDATE holders SET released = 1 WHERE arn = ? AND thing_name = ?", (arn, thing_name)
            )

    def _number(self, question: str) -> int:
        found: int = self._connection.execute(question).fetchone()[0]
        return found

    def _holds(self, question: str, *values: str) -> bool:
        with disk_errors():
            row = self._connection.execute(question, values).fetchone()
        return row is not None and bool(row[0])
