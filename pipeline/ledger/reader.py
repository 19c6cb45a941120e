"""Reading a ledger: entries streamed a page at a time, and counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.device import Certificate, Device, Issued, State
from pipeline.errors import DeviceError
from pipeline.ledger import enrolment, schema

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Entry", "Reader", "Rejection", "Standing", "finished_ledger", "live_ledger"]

_PAGE = 256

_OUTCOMES = ("failed", "skipped", "revoked")

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
class Entry:
    """What the ledger says of one device.

    Attributes:
        seq: The device's number in this ledger.
        device: Its description.
        state: What is durable.
        thing_created: Whether this run made the thing, or (at LISTED) was about to, and has not deleted it since.
        spki_sha256: Its public key's hash, from KEYED on.
        requested_at: When its certificate was asked for, seconds of the epoch, from REQUESTED on.
        certificate: Its certificate from ISSUED on; its ``pem`` is empty once the bundle holds it.
        files: The hex SHA-256 of each public file of its bundle by name, from BUNDLED on.
        old_certificates: The ARNs of the certificates that its thing had before this run (``--existing rotate``).
        retired: Whether those were taken away.
        outcome: ``failed``, ``skipped``, ``revoked``, or None while it is under way or done.
        error: What made it fail.
    """

    seq: int
    device: Device
    state: State
    thing_created: bool
    spki_sha256: str | None
    requested_at: float | None
    certificate: Certificate | None
    files: Mapping[str, str]
    old_certificates: tuple[str, ...]
    retired: bool
    outcome: str | None
    error: DeviceError | None


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


class Reader:
    """Streams what a ledger holds, a page at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def meta(self) -> dict[str, str]:
        """Return what the run is bound to and what it used, by name."""
        return {row["key"]: row["value"] for row in self._connection.execute("SELECT key, value FROM meta")}

    def entries(self, condition: str = "1") -> Iterator[Entry]:
        """Yield entries in the manifest's order, in pages, so that no statement stays open in between.

        Args:
            condition: SQL of our own that picks rows (never text from outside).
        """
        last = 0
        question = f"SELECT * FROM devices WHERE seq > ? AND ({condition}) ORDER BY seq LIMIT {_PAGE}"  # noqa: S608
        while rows := self._connection.execute(question, (last,)).fetchall():
            yield from map(_entry, rows)
            last = rows[-1]["seq"]

    def count(self, condition: str) -> int:
        """Return how many entries ``entries`` would yield for the same condition, without reading them."""
        return int(self._connection.execute(f"SELECT count(*) FROM devices WHERE {condition}").fetchone()[0])  # noqa: S608

    def seq_of(self, thing_name: str) -> int | None:
        """Return a device's number by its thing's name, or None where the run has none of that name."""
        question = "SELECT seq FROM devices WHERE folded = ? AND thing_name = ?"
        row = self._connection.execute(question, (thing_name.casefold(), thing_name)).fetchone()
        return None if row is None else int(row["seq"])

    def counts(self) -> dict[State, int]:
        """Return how many devices are in each state, failed and skipped ones included."""
        counts = dict.fromkeys(State, 0)
        for row in self._connection.execute("SELECT state, count(*) AS n FROM devices GROUP BY state"):
            counts[State(row["state"])] = row["n"]
        return counts

    def outcomes(self) -> dict[str, int]:
        """Return how many devices have failed, were skipped, and were revoked."""
        question = "SELECT outcome, count(*) AS n FROM devices WHERE outcome IS NOT NULL GROUP BY outcome"
        found = {row["outcome"]: row["n"] for row in self._connection.execute(question)}
        return {outcome: found.get(outcome, 0) for outcome in _OUTCOMES}

    def standing(self, since: datetime) -> Standing:
        """Return how many devices stand where.

        One pass over the table without sorting it: with a million devices that is half the time of a GROUP BY.

        Args:
            since: The instant after which ``finished`` counts.
        """
        after = since.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        connection = self._connection
        connection.execute("BEGIN")  # both questions are about one instant
        try:
            row = connection.execute(_STANDING, (after,)).fetchone()
            # What failed is short of the last state, which an index knows.
            codes = connection.execute(
                "SELECT error_code, count(*) AS n FROM devices WHERE state < 8 AND outcome = 'failed' "
                "GROUP BY error_code ORDER BY n DESC, error_code"
            ).fetchall()
        finally:
            connection.execute("ROLLBACK")
        return Standing(
            states={state: row[f"at_{state.name}"] for state in State},
            outcomes={outcome: row[outcome] for outcome in _OUTCOMES},
            failures={str(code["error_code"]): code["n"] for code in codes},
            doubtful=row["doubtful"],
            issued=row["issued"],
            finished=row["finished"],
            changed=row["changed"],
        )

    def is_finished(self, roster: Path) -> bool:
        """Return whether nothing is left to do for any device of a manifest, and no other is in the ledger."""
        open_rows = "SELECT 1 FROM devices WHERE state < 8 AND (outcome IS NULL OR outcome = 'failed') LIMIT 1"
        return self._connection.execute(open_rows).fetchone() is None and enrolment.is_enrolled(
            self._connection, roster
        )

    def requested_at(self, seq: int) -> float:
        """Return when a device's certificate was asked for, seconds of the epoch by AWS's clock."""
        row = self._connection.execute("SELECT requested_at FROM devices WHERE seq = ?", (seq,)).fetchone()
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
            for row in self._connection.execute(question)
        ]

    def holder_of(self, certificate_id: str) -> str | None:
        """Return the thing whose certificate has this id, or None where the ledger does not know it."""
        question = "SELECT thing_name FROM devices WHERE certificate_id = ?"
        row = self._connection.execute(question, (certificate_id,)).fetchone()
        return None if row is None else str(row["thing_name"])


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
        reader = Reader(schema.connect_live(path))
        reader.meta()  # SQLite reads a file only when it is asked something
    return reader


def _entry(row: sqlite3.Row) -> Entry:
    certificate = None
    if row["certificate_id"] is not None:
        certificate = Certificate(
            row["certificate_id"], row["certificate_arn"], row["certificate_pem"] or "", row["not_after"]
        )
    error = None
    if row["error_code"] is not None:
        error = DeviceError(
            row["failed_step"], row["error_code"], row["error_message"], advice=row["error_advice"] or ""
        )
    return Entry(
        seq=row["seq"],
        device=Device.from_json(row["description"], row["line"]),
        state=State(row["state"]),
        thing_created=bool(row["thing_created"]),
        spki_sha256=row["spki_sha256"],
        requested_at=row["requested_at"],
        certificate=certificate,
        files=json.loads(row["files"] or "{}"),
        old_certificates=tuple(json.loads(row["old_certificates"] or "[]")),
        retired=row["retired_at"] is not None,
        outcome=row["outcome"],
        error=error,
    )
