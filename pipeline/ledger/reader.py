"""Reading a ledger: entries streamed a page at a time, and counts."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.device import Issued, State
from pipeline.ledger import enrolment, schema
from pipeline.ledger.entries import OUTCOMES, entry_of, unwritten
from pipeline.ledger.processes import Process, Sample
from pipeline.ledger.records import Origin, Rejection, Standing
from pipeline.settings import KeyType
from pipeline.text import printable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.ledger.entries import Entry

__all__ = ["Reader", "finished_ledger", "live_ledger"]

MOST_PROCESSES = 20_000
"""Processes that are told of: twice as many as the parts that a manifest can be in."""

_PAGE = 256

_KEY_TYPES = tuple(key_type.value for key_type in KeyType)

_STANDING = f"""
SELECT
    {", ".join(f"count(*) FILTER (WHERE state = {s:d} AND outcome IS NULL) AS at_{s.name}" for s in State)},
    {", ".join(f"count(*) FILTER (WHERE outcome = '{outcome}') AS {outcome}" for outcome in OUTCOMES)},
    count(*) FILTER (WHERE state = {State.REQUESTED:d} AND outcome IS NOT 'revoked') AS doubtful,
    count(*) FILTER (WHERE state >= {State.ISSUED:d}) AS issued,
    count(*) FILTER (WHERE state = {State.DONE:d} AND outcome IS NULL AND updated_at > ?) AS finished,
    max(updated_at) AS changed
FROM devices
"""  # noqa: S608  names and numbers of our own


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
                if row["seq"] <= last:  # pages that name one another would never end
                    raise unwritten()
                last = row["seq"]
                yield entry_of(row), row

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

    def counts(self, condition: str = "1") -> dict[State, int]:
        """Return how many devices are in each state, failed and skipped ones included.

        Args:
            condition: SQL of our own that picks devices (never text from outside).
        """
        counts = dict.fromkeys(State, 0)
        question = f"SELECT state, count(*) AS n FROM devices WHERE {condition} GROUP BY state"  # noqa: S608
        for row in self._ask(question):
            if row["state"] not in counts:
                raise unwritten()
            counts[State(row["state"])] = row["n"]
        return counts

    def outcomes(self) -> dict[str, int]:
        """Return how many devices have failed, were skipped, and were revoked."""
        question = "SELECT outcome, count(*) AS n FROM devices WHERE outcome IS NOT NULL GROUP BY outcome"
        found = {row["outcome"]: row["n"] for row in self._ask(question)}
        return {outcome: found.get(outcome, 0) for outcome in OUTCOMES}

    def last_revoked(self) -> str | None:
        """Return when a device was last taken back, ISO 8601 in UTC, or None where none was."""
        [row] = self._ask("SELECT max(updated_at) FROM devices WHERE outcome = 'revoked'")
        return None if row[0] is None else str(row[0])

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
            outcomes={outcome: row[outcome] for outcome in OUTCOMES},
            failures={str(code["error_code"]): code["n"] for code in codes},
            doubtful=row["doubtful"],
            issued=row["issued"],
            finished=row["finished"],
            changed=None if row["changed"] is None else printable(str(row["changed"])),
        )

    def processes(self) -> list[Process]:
        """Return the processes that worked on the run, the first of them first; the last ``MOST_PROCESSES``."""
        question = "SELECT process, started, about, usage FROM processes ORDER BY process DESC LIMIT ?"
        rows = reversed(self._ask(question, (MOST_PROCESSES,)))
        return [Process(row["process"], row["started"], row["about"], row["usage"]) for row in rows]

    def samples(self, process: int, page: int = _PAGE) -> Iterator[Sample]:
        """Yield how far a process was, from its begin to its end, in pages of so many."""
        question = "SELECT second, reading FROM samples WHERE process = ? AND second > ? ORDER BY second LIMIT ?"
        last = -1.0
        while rows := self._ask(question, (process, last, page)):
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
