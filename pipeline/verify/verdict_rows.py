"""Verdicts for machines: as JSON objects, and as rows of CSV in the manifest's order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

from pipeline.manifest.names import THING_NAME
from pipeline.report.csv_chunks import csv_chunks
from pipeline.scratch import disk_errors, open_scratch
from pipeline.text import printable, spreadsheet_safe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from pipeline.verify.findings import Verdict

__all__ = ["COLUMNS", "VerdictRows", "verdict_object"]

COLUMNS = ("thing_name", "outcome", "ok", "connected", "check", "code", "message", "certificate_id")
"""A device with several problems has a row for each; one that is in order has a row without any."""

_TABLES = "CREATE TABLE rows (seq INTEGER NOT NULL, cells TEXT NOT NULL) STRICT;"


def verdict_object(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as an object of JSON; ``thingmill retire --seen`` takes it for a connection."""
    return {
        "event": "run" if verdict.thing_name is None else "device",
        "thing_name": _shown(verdict.thing_name),
        "ok": verdict.ok,
        "outcome": verdict.outcome,
        "problems": [
            {"check": finding.check.value, "code": finding.code, "message": finding.message}
            for finding in verdict.findings
        ],
        "connected": verdict.connected,
        "sealed": verdict.key_closed,
        "certificate_id": _shown(verdict.certificate_id),
    }


def _shown(name: str | None) -> str | None:
    return None if name is None else printable(name)


class VerdictRows:
    """Verdicts that come in any order, kept until they can be written in the manifest's. A context manager.

    Raises:
        DiskError: The scratch database cannot be written.
    """

    def __init__(self) -> None:
        self._connection = open_scratch(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def add(self, verdict: Verdict) -> None:
        """Keep a verdict."""
        rows = [(verdict.seq, json.dumps(cells)) for cells in _cells(verdict)]
        with disk_errors():
            self._connection.executemany("INSERT INTO rows VALUES (?, ?)", rows)

    def csv(self) -> Iterator[bytes]:
        """Yield the content of the file in chunks: what concerns the run as a whole first."""
        return csv_chunks(self._rows())

    def _rows(self) -> Iterator[tuple[str, ...]]:
        yield COLUMNS
        with disk_errors():
            for (cells,) in self._connection.execute("SELECT cells FROM rows ORDER BY seq, rowid"):
                yield tuple(json.loads(cells))


def _cells(verdict: Verdict) -> Iterator[tuple[str, ...]]:
    problems = [(finding.check.value, finding.code.value, finding.message) for finding in verdict.findings]
    for check, code, message in problems or [("", "", "")]:
        yield (
            _name(verdict.thing_name or ""),
            verdict.outcome,
            _yes(verdict.ok),
            _yes(verdict.connected),
            check,
            code,
            spreadsheet_safe(message),
            spreadsheet_safe(verdict.certificate_id or ""),
        )


def _name(name: str) -> str:
    """Return a name as it is, so that it can be looked up: it may begin with ``-``, and nothing else is risky."""
    return name if THING_NAME.holds(name) else spreadsheet_safe(name)


def _yes(answer: bool | None) -> str:
    return {True: "yes", False: "no", None: ""}[answer]
