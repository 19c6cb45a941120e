"""Rows written as CSV (RFC 4180, lines ended by LF) in chunks, so that a million of them need no memory."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["csv_chunks"]

_CHUNK = 1 << 16
"""Characters gathered before they are handed on."""


def csv_chunks(rows: Iterable[Sequence[str | int]]) -> Iterator[bytes]:
    """Yield the rows as UTF-8 text in chunks of some 64 KiB."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    for row in rows:
        writer.writerow(row)
        if buffer.tell() >= _CHUNK:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()
