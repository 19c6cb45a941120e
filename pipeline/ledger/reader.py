"""Reading a ledger: entries streamed a page at a time, and counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.device import Issued, State
from pipeline.ledger import enrolment, schema
from pipeline.ledger.entries import Entry, entry_of
from pipeline.ledger.processes import Process, Sample
from pipeline.settings import KeyType
from pipeline.text import printable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["Entry", "Origin", "Reader", "Rejection", "Standing", "finished_ledger", "live_ledger"]

_PAGE = 256

_OUTCOMES = ("failed", "skipped", "revoked")

_KEY_TYPES = tuple(key_type.value for key_type in KeyType)

_STANDING = f"""
SELECT
    {", ".join(f"count(*) FILTER (WHERE state = {s:d} AND outcome IS NULL) AS at_{s.name}" for s in State)},
    {", ".join(f"count(*) FILTER (WHERE outcome = '{outcome}') AS {outcome}" for outcome in _OUTCOMES)},
    count(*) FILTER (WHERE state = {State.REQUESTED:d} AND outcome IS NOT 'revoked') AS doubtful,
    count(*) FILTER (WHERE state >= {State.ISSUED:d}) AS issued,
    count(*) FILTER (WHERE state = {State.DONE:d} AND outcome IS NULL AND updated_at > ?) AS finished,
    max(updated_at) AS changed
FROM devices
"""  # noqa: S608  names and numbers of our own


@dataclass(frozen=True, slots=True)
class Standing:
    """How many devices stand where, at one instant.

    Attributes:
        states: Devices by what is durable of them, but for those that failed, were skipped or were revoked.
        outcomes: How many ``failed``, were ``skipped``, were ``revoked``.
        failures: Those that failed by code, the most frequent first.
        doubtful: Devices whose certificate may have been issued without an answer, failed ones included.
        issued: Certificates that were recorded, those that were taken back included.
        finished: Devices that were done since the instant that was asked for.
        changed: When a device last changed, ISO 8601 in UTC, or None.
    """

    states: Mapping[State, int]
    outcomes: Mapping[str, int]
    failures: Mapping[str, int]
    doubtful: int
    issued: int
    finished: int
    changed: str | None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A certificate that failed inspection.

    Attributes:
        spki_sha256: The public key's hash of the device that it was issued for.
        issued: What AWS IoT had answered.
        rejected_at: When, seconds of the epoch.
    """

    spki_sha256: str
    issued: Issued
    rejected_at: float


@dataclass(frozen=True, slots=True)
class Origin:
    """A run that a ledger was put together from.

    Attributes:
        number: Which one, from 1.
        run: Its name.
        folder: Its folder, relative to that of the ledger.
        sharded: Whether its devices are in ``devices/ab/NAME/``.
        devices: How many devices were taken from it.
    """

    number: int
    run: str
    folder: str
    sharded: bool
    devices: int


class Reader:
    """Streams what a ledger holds, a page at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._has_roster = False

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _ask(self, question: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """Return all rows of an answer; a ledger that somebody else made may have other tables than ours."""
        with schema.readable():
            return self._connection.execute(question, values).fetchall()

    def meta(self) -> dict[str, str]:
        """Return what the run is bound to and what it used, by name."""
        return {str(row["key"]): str(row["value"]) for row in self._ask("SELECT key, value FROM meta")}

    def attach(self, roster: Path) -> None:
        """Have ``IN_ROSTER`` in conditions pick the devices of a manifest, until this is closed."""
        if self._has_roster:
            self._ask("DETACH meant")
        self._ask("ATTACH ? AS meant", (str(roster),))
        self._has_roster = True

    def entries(self, condition: str = "1") -> Iterator[Entry]:
        """Yield entries in the manifest's order, in pages, so that no statement stays open in between.

        Args:
            condition: SQL of our own that picks rows (never text from outside).
        """
        for entry, _ in self.rows(condition):
            yield entry

    def rows(self, condition: str = "1") -> Iterator[tuple[Entry, sqlite3.Row]]:
        """Yield entries as ``entries`` does, each with the row that it was read from."""
        last = 0
        question = f"SELECT * FROM devices WHERE seq > ? AND ({condition}) ORDER BY seq LIMIT {_PAGE}"  # noqa: S608
        while rows := self._ask(question, (last,)):
            for row in rows:
                yield entry_of(row), row
            last = rows[-1]["seq"]

    def origins(self) -> list[Origin]:
        """Return the runs that this ledger was put together from, by number; none in a run's own."""
        question = (
            "SELECT origin, run, folder, sharded, count(seq) AS devices "
            "FROM origins LEFT JOIN devices USING (origin) GROUP BY origin ORDER BY origin"
        )
        return [
            Origin(row["origin"], row["run"], row["folder"], bool(row["sharded"]), row["devices"])
            for row in self._ask(question)
        ]

    def count(self, condition: str) -> int:
        """Return how many entries ``entries`` would yield for the same condition, without reading them."""
        return int(self._ask(f"SELECT count(*) FROM devices WHERE {condition}")[0][0])  # noqa: S608

    def names_recipients(self) -> bool:
        """Return whether rows of the manifest say themselves what their keys are encrypted to."""
        return self.count("json_extract(description, '$.encrypt_to') IS NOT NULL") > 0

    def key_types(self) -> dict[str, int]:
        """Return how many devices get a key of each type here, as ``--key`` names them; none that is nobody's.

        A row's own type goes before the run's. What no thingmill knows counts as ``other``.
        """
        run = self.meta().get("key type", "")
        # A ledger that somebody else made may hold anything.
        found = self._ask(
            "SELECT json_extract(description, '$.key_type') AS key_type, count(*) AS n FROM devices "
            "WHERE json_valid(description) AND json_extract(description, '$.csr') IS NULL GROUP BY key_type"
        )
        numbers = Counter[str]()
        for row in found:
            name = run if row["key_type"] is None else str(row["key_type"])
            if name:  # else the run is not bound to any yet
                numbers[name if name in _KEY_TYPES else "other"] += row["n"]
        return {name: numbers[name] for name in (*_KEY_TYPES, "other") if numbers[name]}

    def seq_of(self, thing_name: str) -> int | None:
        """Return a device's number by its thing's name, or None where the run has none of that name."""
        question = "SELECT seq FROM devices WHERE folded = ? AND thing_name = ?"
        rows = self._ask(question, (thing_name.casefold(), thing_name))
        return int(rows[0]["seq"]) if rows else None

    def counts(self) -> dict[State, int]:
        """Return how many devices are in each state, failed and skipped ones included."""
        counts = dict.fromkeys(State, 0)
        for row in self._ask("SELECT state, count(*) AS n FROM devices GROUP BY state"):
            counts[State(row["state"])] = row["n"]
        return counts

    def outcomes(self) -> dict[str, int]:
        """Return how many devices have failed, were skipped, and were revoked."""
        question = "SELECT outcome, count(*) AS n FROM devices WHERE outcome IS NOT NULL GROUP BY outcome"
        found = {row["outcome"]: row["n"] for row in self._ask(question)}
        return {outcome: found.get(outcome, 0) for outcome in _OUTCOMES}

    def standing(self, since: datetime) -> Standing:
        """Return how many devices stand where.

        One pass over the table without sorting it: with a million devices that is half the time of a GROUP BY.

        Args:
            since: The instant after which ``finished`` counts.
        """
        after = since.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        self._ask("BEGIN")  # both questions are about one instant
        try:
            [row] = self._ask(_STANDING, (after,))
            # What failed is short of the last state, which an index knows.
            codes = self._ask(
                "SELECT error_code, count(*) AS n FROM devices WHERE state < 8 AND outcome = 'failed' "
                "GROUP BY error_code ORDER BY n DESC, error_code"
            )
        finally:
            self._ask("ROLLBACK")
        return Standing(
            states={state: row[f"at_{state.name}"] for state in State},
            outcomes={outcome: row[outcome] for outcome in _OUTCOMES},
            failures={str(code["error_code"]): code["n"] for code in codes},
            doubtful=row["doubtful"],
            issued=row["issued"],
            finished=row["finished"],
            changed=None if row["changed"] is None else printable(str(row["changed"])),
        )

    def processes(self) -> list[Process]:
        """Return the processes that worked on the run, the first of them first."""
        rows = self._ask("SELECT process, started, about, usage FROM processes ORDER BY process")
        return [Process(row["process"], row["started"], row["about"], row["usage"]) for row in rows]

    def samples(self, process: int) -> Iterator[Sample]:
        """Yield how far a process was, from its begin to its end, in pages."""
        question = "SELECT second, reading FROM samples WHERE process = ? AND second > ? ORDER BY second LIMIT ?"
        last = -1.0
        while rows := self._ask(question, (process, last, _PAGE)):
            yield from (Sample(row["second"], row["reading"]) for row in rows)
            last = rows[-1]["second"]

    def is_finished(self, roster: Path) -> bool:
        """Return whether nothing is left to do for any device of a manifest, and no other is in the ledger."""
        with schema.readable():
            return not self.is_unfinished() and enrolment.is_enrolled(self._connection, roster)

    def is_unfinished(self) -> bool:
        """Return whether some device failed or is still under way."""
        return bool(
            self._ask("SELECT 1 FROM devices WHERE state < 8 AND (outcome IS NULL OR outcome = 'failed') LIMIT 1")
        )

    def requested_at(self, seq: int) -> float:
        """Return when a device's certificate was asked for, seconds of the epoch by AWS's clock."""
        [row] = self._ask("SELECT requested_at FROM devices WHERE seq = ?", (seq,))
        return float(row["requested_at"])

    def rejections(self) -> list[Rejection]:
        """Return the certificates that failed inspection and may still be on the account."""
        question = (
            "SELECT r.seq, d.spki_sha256, r.certificate_id, r.certificate_pem, r.at "
            "FROM rejected AS r JOIN devices AS d USING (seq) WHERE r.removed = 0 ORDER BY r.seq"
        )
        return [
            Rejection(
                row["spki_sha256"] or "",
                Issued(row["certificate_id"], "", row["certificate_pem"]),
                datetime.fromisoformat(row["at"]).timestamp(),
            )
            for row in self._ask(question)
        ]

    def holder_of(self, certificate_id: str) -> str | None:
        """Return the thing whose certificate has this id, or None where the ledger does not know it."""
        question = "SELECT thing_name FROM devices WHERE certificate_id = ?"
        rows = self._ask(question, (certificate_id,))
        return str(rows[0]["thing_name"]) if rows else None


def finished_ledger(path: Path) -> Reader | None:
    """Return a reader of a ledger that nobody has open, which changes no byte, or None (``connect_finished``)."""
    with schema.readable(path):
        connection = schema.connect_finished(path)
        return None if connection is None else Reader(connection)


def live_ledger(path: Path) -> Reader:
    """Return a reader of a ledger that another process may have open (``connect_live``).

    Raises:
        DiskError: It cannot be read.
        RunFolderError: It is no ledger that this thingmill can read.
    """
    with schema.readable(path):
        connection = schema.connect_live(path)
        connection.execute("SELECT key FROM meta LIMIT 1")  # SQLite reads a file only when it is asked something
    return Reader(connection)
