"""The rows of the table in ``report.html``: all devices, or where they are too many those that need a look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from pipeline.device import State
from pipeline.report.summary import outcome_of, state_of
from pipeline.text import printable

if TYPE_CHECKING:
    from pipeline.ledger import Entry, Reader
    from pipeline.report.summary import Summary

__all__ = ["COLUMNS", "MOST_ROWS", "Column", "embedded_rows"]

MOST_ROWS = 20_000
"""Devices that a page has at most: some 5 MiB, which a browser still searches at each key that is pressed."""

_NOT_DONE = f"outcome IS NOT NULL OR state < {State.DONE:d}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table.

    Attributes:
        label: Its heading.
        kind: How it is sorted: ``number``, ``text``, or ``outcome``, which is text that can be picked from.
        looks: The class of its cells in the style sheet.
    """

    label: str
    kind: str = "text"
    looks: str = ""


COLUMNS = (
    Column("line", "number", "number"),
    Column("thing", looks="name"),
    Column("outcome", "outcome"),
    Column("state"),
    Column("step", "number", "number"),
    Column("error"),
    Column("message", looks="name"),
    Column("certificate asked for"),
    Column("certificate", looks="digest"),
)


def embedded_rows(reader: Reader, summary: Summary) -> list[list[str | int]]:
    """Return the cells of each row, all of them printable, ``MOST_ROWS`` rows at most.

    Args:
        reader: The run's ledger.
        summary: The run in numbers.
    """
    entries = reader.entries() if summary.total <= MOST_ROWS else reader.entries(_NOT_DONE)
    return [_cells(entry) for entry in islice(entries, MOST_ROWS)]


def _cells(entry: Entry) -> list[str | int]:
    error, certificate = entry.error, entry.certificate
    return [
        entry.device.line,
        printable(entry.device.thing_name),
        outcome_of(entry),
        state_of(entry),
        error.step if error else "",
        printable(error.code) if error else "",
        printable(error.message) if error else "",
        _moment(entry.requested_at),
        printable(certificate.certificate_id) if certificate else "",
    ]


def _moment(seconds: float | None) -> str:
    if seconds is None or not 0 <= seconds < 1e11:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
