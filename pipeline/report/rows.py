"""The rows of the table in ``report.html``: all devices, or where they are too many those that need a look."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from pipeline.device import State
from pipeline.report.summary import outcome_of
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.ledger import Entry, Reader
    from pipeline.report.summary import Summary

__all__ = ["MOST_ROWS", "Column", "Table", "table_of"]

MOST_ROWS = 10_000
"""Devices that a page has at most: some 3 MiB, which a browser still searches at each key that is pressed."""

_NOT_DONE = f"outcome IS NOT NULL OR state < {State.DONE:d}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table.

    Attributes:
        label: Its heading.
        kind: How it is sorted: ``number``, ``text``, or ``outcome``, which is text that can be picked from.
        looks: The class of its cells in the style sheet.
        always: Whether it is there although no row has anything in it.
    """

    label: str
    kind: str = "text"
    looks: str = ""
    always: bool = False


_SHORT = 40
"""Characters up to which names are kept on one line, hyphens and all."""

_THING = 1
_COLUMNS = (
    Column("line", "number", "number", always=True),
    Column("thing", looks="name", always=True),
    Column("outcome", "outcome", always=True),
    Column("step", "number", "number"),
    Column("error", looks="name"),
    Column("message", looks="message"),
    Column("state"),
    Column("asked for (UTC)", looks="moment"),
    Column("certificate", looks="digest"),
)
"""``state`` is what is durable of a device that is not done, failed ones too, as ``docs/issuance.md`` names it;
``asked for`` is when its certificate was asked for."""


@dataclass(frozen=True, slots=True)
class Table:
    """The table of devices.

    Attributes:
        columns: Its columns, without those that are empty in each row.
        rows: The cells of each row by column, all of them printable.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[str | int]]


def table_of(reader: Reader, summary: Summary) -> Table:
    """Return the table of devices, ``MOST_ROWS`` rows at most.

    Args:
        reader: The run's ledger.
        summary: The run in numbers.
    """
    entries = reader.entries() if summary.total <= MOST_ROWS else reader.entries(_NOT_DONE)
    rows = [_cells(entry) for entry in islice(entries, MOST_ROWS)]
    wanted = [
        index for index, column in enumerate(_COLUMNS) if column.always or any(row[index] != "" for row in rows)
    ]
    columns = list(_COLUMNS)
    if all(len(str(row[_THING])) <= _SHORT for row in rows):
        columns[_THING] = replace(columns[_THING], looks="short")
    return Table(
        [columns[index] for index in wanted],
        rows if len(wanted) == len(columns) else [[row[index] for index in wanted] for row in rows],
    )


def _cells(entry: Entry) -> list[str | int]:
    error, certificate, outcome = entry.error, entry.certificate, outcome_of(entry)
    return [
        entry.device.line,
        printable(entry.device.thing_name),
        outcome,
        error.step if error else "",
        printable(error.code) if error else "",
        printable(error.message) if error else "",
        "" if outcome in ("done", "revoked") else entry.state.name,
        _moment(entry.requested_at),
        printable(certificate.certificate_id) if certificate else "",
    ]


def _moment(seconds: float | None) -> str:
    if seconds is None or not 0 <= seconds < 1e11:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
