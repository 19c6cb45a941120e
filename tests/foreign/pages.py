"""A table whose pages name one another, below what SQL can do: few of them, and rows without end.

The layout is that of SQLite's file format (sqlite.org, "Database File Format", section 1.6).
"""

from __future__ import annotations

import itertools
import sqlite3
import struct
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["make_endless"]

CHILDREN = 300
"""Of each page: as many cells of six bytes as a page of 4,096 bytes has, with some room."""

LEVELS = 4


def make_endless(database: Path, table: str) -> None:
    """Put four levels of pages above the one page of a table, each of which names the next one 300 times."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data = bytearray(database.read_bytes())
    count = len(data) // size
    rows = bytes(data[(root - 1) * size : root * size])
    assert rows[0] == 0x0D, "the table has more than one page"
    # The root goes down to the page behind the last of the levels.
    numbers = [root, *range(count + 1, count + LEVELS + 1)]
    data += bytes(LEVELS * size)
    for number, child in itertools.pairwise(numbers):
        data[(number - 1) * size : number * size] = _interior(child, size)
    data[(numbers[-1] - 1) * size : numbers[-1] * size] = rows
    data[28:32] = struct.pack(">I", len(data) // size)
    database.write_bytes(data)


def _interior(child: int, size: int) -> bytes:
    """Return a page of a table's tree all of whose children are one."""
    page = bytearray(size)
    content = size
    for place in range(CHILDREN):
        cell = struct.pack(">I", child) + _varint(place + 1)
        content -= len(cell)
        page[content : content + len(cell)] = cell
        page[12 + 2 * place : 14 + 2 * place] = struct.pack(">H", content)
    page[0:12] = struct.pack(">BHHHBI", 0x05, 0, CHILDREN, content, 0, child)
    return bytes(page)


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 0x80 else bytes([0x80 | number >> 7, number & 0x7F])
