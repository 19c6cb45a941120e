"""The summaries of a run, from its ledger alone, and the listings that were asked for besides.

``write_all`` is the one writer of summaries, ``write_listings`` of listings. Every file is written whole and in a
stream, so a million devices take no more memory than a thousand; and the same ledger gives the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from pipeline import files
from pipeline.report.failed_csv import Columns, failed_csv
from pipeline.report.failed_jsonl import failed_jsonl
from pipeline.report.going_on import GoingOn, going_on
from pipeline.report.listings import FINISHED, write_listings
from pipeline.report.page import report_html
from pipeline.report.summary import Group, Summary, summarise
from pipeline.report.summary_csv import summary_csv
from pipeline.report.summary_json import document, summary_json
from pipeline.report.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.device import Device
    from pipeline.errors import DeviceError
    from pipeline.layout import RunFolder
    from pipeline.ledger import Reader

__all__ = [
    "FAILED_CSV",
    "FAILED_JSONL",
    "FINISHED",
    "REPORT_HTML",
    "SUMMARY_CSV",
    "SUMMARY_JSON",
    "GoingOn",
    "Group",
    "Summary",
    "Usage",
    "document",
    "going_on",
    "summarise",
    "write_all",
    "write_listings",
]

SUMMARY_JSON = "summary.json"
SUMMARY_CSV = "summary.csv"
FAILED_CSV = "failed.csv"
FAILED_JSONL = "failed.jsonl"
REPORT_HTML = "report.html"


def write_all(reader: Reader, folder: RunFolder) -> Summary:
    """Write every report of a run, ``report.html`` last: where it is new, the others are too.

    Args:
        reader: The run's ledger, which nobody changes meanwhile.
        folder: The run's folder.

    Returns:
        What the reports say.

    Raises:
        DiskError: The disk refused a file; those before it are new, the others as they were.
    """
    summary = summarise(reader, folder)
    _write_failed(reader, folder.root)
    files.replace_whole_from(folder.root / SUMMARY_CSV, summary_csv(reader, folder))
    files.replace_whole(folder.root / SUMMARY_JSON, summary_json(summary))
    files.replace_whole_from(folder.root / REPORT_HTML, report_html(reader, summary, _checksums(folder.root)))
    return summary


def _checksums(root: Path) -> dict[str, str]:
    """Return the hex SHA-256 of the reports that are there, by name."""
    found: dict[str, str] = {}
    for name in (SUMMARY_JSON, SUMMARY_CSV, FAILED_CSV, FAILED_JSONL):
        with contextlib.suppress(FileNotFoundError):
            found[name] = _checksum(root / name)
    return found


def _checksum(path: Path) -> str:
    digest = hashlib.sha256()
    for line in files.read_lines(path):
        digest.update(line)
    return digest.hexdigest()


def _write_failed(reader: Reader, root: Path) -> None:
    """Write the devices that failed as a manifest, and leave none from an earlier time.

    Where nothing failed there is no file: a manifest without things would be a fault.
    """
    columns = Columns.of(device for device, _ in _failed(reader))
    if columns.clash:
        files.replace_whole_from(root / FAILED_JSONL, failed_jsonl(_failed(reader)))
        files.remove(root / FAILED_CSV)
        return
    if columns.fields:
        files.replace_whole_from(root / FAILED_CSV, failed_csv(_failed(reader), columns))
    else:
        files.remove(root / FAILED_CSV)
    files.remove(root / FAILED_JSONL)


def _failed(reader: Reader) -> Iterator[tuple[Device, DeviceError | None]]:
    return ((entry.device, entry.error) for entry in reader.entries("outcome = 'failed'"))
