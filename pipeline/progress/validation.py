"""A manifest being read and checked: a bar of its own, where it takes long enough to be noticed."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, TextIO

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.counting import counted
from pipeline.progress.sinks import print_line
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

__all__ = ["PATIENCE_SECONDS", "Reading", "bar_of_reading", "lines_of_reading"]

PATIENCE_SECONDS = 0.5
"""What is over sooner needs no bar."""

_LINE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a manifest is read.

    Attributes:
        name: The manifest as the user named it.
        rows: Rows read.
        read: Bytes read.
        total: Bytes in all, or None where that is not known.
    """

    name: str
    rows: int
    read: int
    total: int | None

    def __str__(self) -> str:
        """Return it on one line, safe to print."""
        of_all = f" ({min(self.read / self.total, 1):.0%})" if self.total else ""
        return f"reading {printable(PurePath(self.name).name)}: {counted(self.rows, 'row')}{of_all}"

    def __rich__(self) -> Table:
        """Return it as a line with a bar."""
        table = Table.grid(expand=True, padding=(0, 1))
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=32)
        table.add_column(ratio=1, no_wrap=True, overflow="crop")
        table.add_column(no_wrap=True, overflow="ellipsis", justify="right")
        bar = ProgressBar(total=self.total or None, completed=self.read)
        table.add_row(Text(f"reading {printable(PurePath(self.name).name)}"), bar, Text(counted(self.rows, "row")))
        return table


@contextlib.contextmanager
def bar_of_reading(
    manifest: str, console: Console, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[int, int, int | None], None]]:
    """Show a bar that goes away at the end. Yields what ``manifest.load`` takes as ``progress``."""
    begun = clock()
    latest = Reading(manifest, 0, 0, None)
    live = Live(console=console, get_renderable=lambda: latest, transient=True, redirect_stdout=False)

    def update(rows: int, read: int, total: int | None) -> None:
        nonlocal latest
        latest = Reading(manifest, rows, read, total)
        if not live.is_started and clock() - begun >= PATIENCE_SECONDS:
            live.start()

    try:
        yield update
    finally:
        live.stop()


@contextlib.contextmanager
def lines_of_reading(
    manifest: str, stream: TextIO, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[int, int, int | None], None]]:
    """Print a line every five seconds, so none for most manifests."""
    next_line = clock() + _LINE_SECONDS

    def update(rows: int, read: int, total: int | None) -> None:
        nonlocal next_line
        if clock() >= next_line:
            next_line = clock() + _LINE_SECONDS
            print_line(stream, str(Reading(manifest, rows, read, total)))

    yield update
