"""What every reader of a manifest format hands on, and what it reads from.

Places are worked out only when a fault needs one: a row keeps its raw text, and its reader knows how to find
a cell in it. So a row without a fault costs no position.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pipeline.manifest.faults import Fault, Place
from pipeline.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.manifest.columns import Layout
    from pipeline.manifest.faults import FaultLog
    from pipeline.manifest.lines import Lines

__all__ = ["Cell", "ManifestRow", "Reader", "Source"]

Cell = str | tuple[str, ...]
"""A cell's text; a tuple where JSON or TOML lists the thing groups. An absent value is the empty text."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that rows come from.

    Attributes:
        name: The file as the user named it, or ``-``.
        folder: What a CSR's relative path is relative to.
        lines: Its text.
        log: Where its faults go.
        size: Bytes in all, or None where that is not known.
    """

    name: str
    folder: Path
    lines: Lines
    log: FaultLog
    size: int | None = None

    def fault(self, line: int, column: int, reason: str) -> None:
        """Log that something is wrong at a place of this file."""
        self.log.add(Fault(line, column, self.name, reason))


class ManifestRow(NamedTuple):
    """One row as it was written, unchecked.

    Attributes:
        line: The line on which the row begins, from 1.
        layout: What its columns mean.
        values: A cell for each column of the layout.
        raw: The row's text, from which a fault's place is found.
        reader: Who read it.
    """

    line: int
    layout: Layout
    values: Sequence[Cell]
    raw: str
    reader: Reader

    @property
    def csr_column(self) -> int:
        """The column to name where a CSR is faulty: its own, or that of the thing name if a file has it."""
        index = self.layout.csr
        return index if index is not None and self.values[index] else self.layout.thing_name or 0

    def place(self, index: int) -> Place:
        """Return where the cell of column ``index`` begins."""
        line, column = self.reader.position(self, index)
        return Place(self.reader.source.name, line, column)

    def fault(self, index: int, reason: str) -> None:
        """Log that the cell of column ``index`` is faulty."""
        source = self.reader.source
        source.log.add(self.place(index).fault(reason))


class Reader(ABC):
    """Reads the rows of one source; what is no row becomes a fault and reading goes on.

    Attributes:
        source: What is read.
        target: Where the row goes that was read last, as far as it does not say so itself.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.target = Target()

    @abstractmethod
    def __iter__(self) -> Iterator[ManifestRow]:
        """Yield the rows in order."""

    @abstractmethod
    def position(self, row: ManifestRow, index: int) -> tuple[int, int]:
        """Return line and column, from 1, at which the cell of column ``index`` begins."""
