"""Reads ``.csv`` and ``.tsv`` manifests as RFC 4180 has them, with the place of every cell.

Not built on the ``csv`` module: that one knows neither where a cell began nor where to go on after a quote
that is never closed, and takes text after a closing quote into the cell. A row without a quote, the common
case, is one ``str.split``.

A row must have as many cells as the header. Too few are a fault even where the missing ones could be empty: a
lost delimiter shifts the rest of the row by one, and that must not provision a device. Blank rows, also those
of nothing but delimiters as spreadsheets leave them, are skipped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.manifest.columns import Field, field_of, layout_of
from pipeline.manifest.lines import RECORD_LIMIT
from pipeline.manifest.names import quoted
from pipeline.manifest.rows import ManifestRow, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.manifest.columns import Layout
    from pipeline.manifest.rows import Source

__all__ = ["DelimitedReader"]

# Possessive: what is doubled at a line's end must not be halved, and taken for the quote that closes.
_QUOTED = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"')


_SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas"}


@dataclass(slots=True)
class _Record:
    """The cells of a record as far as it was scanned.

    Attributes:
        cells: Their text, unquoted.
        starts: Where each begins in the record's text.
        open_at: Where a quote opens that is not closed, or None.
        broken: Where the record breaks RFC 4180, and how, or None.
    """

    cells: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    open_at: int | None = None
    broken: tuple[int, str] | None = None


class DelimitedReader(Reader):
    """Reads rows of cells under a header row.

    Args:
        source: What to read.
        delimiter: The one character between cells.
    """

    def __init__(self, source: Source, delimiter: str) -> None:
        super().__init__(source)
        self._delimiter = delimiter
        self._unquoted = re.compile(f"[^{re.escape(delimiter)}]*")
        self._placed: tuple[str, list[int]] = ("", [])

    def __iter__(self) -> Iterator[ManifestRow]:
        """Yield a row for each record under the header."""
        layout = self._header()
        if layout is None:
            return
        lines, delimiter, width = self.source.lines, self._delimiter, len(layout.names)
        for line in lines:
            first = lines.number
            if '"' in line:
                record = self._record(line)
                if record is None:
                    continue
                raw, values = record
            else:
                raw, values = line, line.split(delimiter)
            if lines.damaged >= first or line.isspace() or not any(values):
                continue
            row = ManifestRow(first, layout, values, raw, self)
            if len(values) == width:
                yield row
            else:
                self._wrong_width(row)

    def position(self, row: ManifestRow, index: int) -> tuple[int, int]:
        """Return where the cell begins; one past the last is where the record ends."""
        if self._placed[0] is not row.raw:  # once: a row may have a fault in each of ten thousand cells
            self._placed = row.raw, self._scan(row.raw, _Record()).starts
        starts = self._placed[1]
        return _position(row.line, row.raw, starts[index] if index < len(starts) else len(row.raw))

    def _header(self) -> Layout | None:
        """Read the first row that is not blank. Without a thing name's column no row would mean anything."""
        lines = self.source.lines
        for line in lines:
            first = lines.number
            if (reason := self._other_separator(line)) is not None:
                self.source.fault(first, 1, reason)
                return None
            record = self._record(line)
            if record is None or lines.damaged >= first:
                return None
            raw, names = record
            if line.isspace() or not any(names):
                continue
            layout = layout_of([name.strip() for name in names])
            starts = self._scan(raw, _Record()).starts
            for index, reason in layout.problems:
                self.source.fault(*_position(first, raw, starts[index]), reason)
            return None if layout.thing_name is None else layout
        return None

    def _other_separator(self, line: str) -> str | None:
        """Return what is wrong with a header whose columns are separated by something else, as spreadsheets do.

        None of these can be in the name of a column.
        """
        for other, named in _SEPARATORS.items():
            cells = [cell.strip(' "') for cell in line.split(other)]
            if self._delimiter not in line and len(cells) > 1 and Field.THING_NAME in map(field_of, cells):
                ways = "commas, or tabs as .tsv" if self._delimiter == "," else "tabs, or commas as .csv"
                return f"the columns look separated by {named}; save the file with {ways}"
        return None

    def _record(self, line: str) -> tuple[str, list[str]] | None:
        """Return the text and the cells of the record that begins with ``line``, or None after a fault.

        A quote that is never closed swallows what follows: it is a fault where it opens, and reading goes on
        with the next line as if it had been closed there.
        """
        lines = self.source.lines
        first = lines.number
        taken = [line]
        record = self._scan(line, _Record())
        text = line
        while record.open_at is not None:
            if not self._take_closing_line(taken, len(text)):
                line_number, column = _position(first, text, record.open_at)
                self.source.fault(line_number, column, "this quote is never closed")
                lines.give_back(taken[line_number - first + 1 :])
                return None
            text = "\n".join(taken)
            record = self._scan(text, record)
        if record.broken is not None:
            at, reason = record.broken
            self.source.fault(*_position(first, text, at), reason)
            return None
        return text, record.cells

    def _take_closing_line(self, taken: list[str], length: int) -> bool:
        """Append lines up to the one whose quotes come out even, which is where a quoted cell can end.

        Args:
            taken: The record's lines.
            length: Characters in them.
        """
        for line in self.source.lines:
            taken.append(line)
            length += len(line) + 1
            if length > RECORD_LIMIT:
                break
            if line.count('"') % 2:
                return True
        return False

    def _scan(self, text: str, record: _Record) -> _Record:
        """Return the cells of a record.

        Args:
            text: Its text.
            record: What was scanned of it; it goes on at the quote that was open, now that there is more text.
        """
        at, end = record.open_at or 0, len(text)
        if record.open_at is not None:
            record.open_at = None
            record.starts.pop()
        while True:
            record.starts.append(at)
            quoted_cell = text.startswith('"', at)
            match = (_QUOTED if quoted_cell else self._unquoted).match(text, at)
            if match is None:
                record.open_at = at
                return record
            cell = match.group(1).replace('""', '"') if quoted_cell else match.group()
            if not quoted_cell and '"' in cell:
                record.broken = (
                    at,
                    f'{quoted(cell)} holds a quote without being quoted; put the cell in quotes and write ""',
                )
                return record
            record.cells.append(cell)
            at = match.end()
            if at == end:
                return record
            if text[at] != self._delimiter:
                record.broken = (at, 'text follows the closing quote; a quote inside a quoted cell is written ""')
                return record
            at += 1

    def _wrong_width(self, row: ManifestRow) -> None:
        width, found = len(row.layout.names), len(row.values)
        if found > width:
            row.fault(width, f"the row has {found} cells, the header {width}; the extra ones begin here")
        else:
            missing = quoted(row.layout.names[found])
            row.fault(found, f"the row has {found} cells, the header {width}; it ends before {missing}")


def _position(line: int, text: str, at: int) -> tuple[int, int]:
    """Return line and column of a character of a record that begins on ``line``."""
    return line + text.count("\n", 0, at), at - text.rfind("\n", 0, at)
