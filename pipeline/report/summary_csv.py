"""``summary.csv``: one row for every manifest row, in the manifest's order, whatever became of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.device import State
from pipeline.layout import RunFolder
from pipeline.manifest.names import THING_NAME
from pipeline.report.csv_chunks import csv_chunks
from pipeline.report.summary import outcome_of, state_of
from pipeline.text import spreadsheet_safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.ledger import Entry, Reader

__all__ = ["COLUMNS", "summary_csv"]

COLUMNS = (
    "line",
    "thing_name",
    "state",
    "outcome",
    "step",
    "error_code",
    "error_message",
    "advice",
    "certificate_id",
    "certificate_arn",
    "not_after",
    "spki_sha256",
    "key_held_by",
    "bundle",
)
"""``state`` is a ``State``, ``FAILED`` or ``REVOKED``; ``step`` is where a device failed; ``key_held_by`` is
``device`` where the row brought a CSR, and ``station`` where the key is made here; ``bundle`` is relative to the
folder of the file, and empty where it was purged."""


def summary_csv(reader: Reader, folder: RunFolder) -> Iterator[bytes]:
    """Yield the file's content in chunks.

    Args:
        reader: The run's ledger.
        folder: The run's folder.
    """
    return csv_chunks(_rows(reader, folder))


def _rows(reader: Reader, folder: RunFolder) -> Iterator[tuple[str | int, ...]]:
    yield COLUMNS
    folders = _folders(reader, folder)
    for entry in reader.entries():
        yield (
            entry.device.line,
            _name(entry.device.thing_name),
            state_of(entry),
            outcome_of(entry),
            *_error(entry),
            *_certificate(entry),
            spreadsheet_safe(entry.spki_sha256 or ""),
            "station" if entry.device.csr is None else "device",
            _bundle(entry, folder, folders.get(entry.origin, folder)),
        )


def _name(name: str) -> str:
    """Return a name as it is, so that it can be looked up: it may begin with ``-``, and nothing else is risky."""
    return name if THING_NAME.holds(name) else spreadsheet_safe(name)


def _error(entry: Entry) -> tuple[str | int, str, str, str]:
    error = entry.error
    if error is None:
        return "", "", "", ""
    return (
        error.step,
        spreadsheet_safe(error.code),
        spreadsheet_safe(error.message),
        spreadsheet_safe(error.advice),
    )


def _certificate(entry: Entry) -> tuple[str, str, str]:
    certificate = entry.certificate
    if certificate is None:
        return "", "", ""
    return (
        spreadsheet_safe(certificate.certificate_id),
        spreadsheet_safe(certificate.arn),
        spreadsheet_safe(certificate.not_after),
    )


def _folders(reader: Reader, folder: RunFolder) -> dict[int | None, RunFolder]:
    """Return where the bundles are of the runs that a ledger was put together from, by their numbers."""
    return {each.number: RunFolder(folder.root / each.folder, each.sharded) for each in reader.origins()}


def _bundle(entry: Entry, folder: RunFolder, of: RunFolder) -> str:
    """Return where a device's bundle is, seen from the folder of the reports."""
    place = of.bundle(entry.device.thing_name)
    # Only of a device that was taken back may thingmill itself have removed it.
    if entry.state < State.BUNDLED or (entry.outcome == "revoked" and not os.path.lexists(place)):
        return ""
    return spreadsheet_safe(Path(os.path.relpath(place, folder.root)).as_posix())
