"""The figures drawn for a terminal of any width: a bar for each stage, and below it what they mean.

Foreign text is drawn as ``Text``, never as rich's markup, after ``printable``. Nothing wraps: what has no room on
a line goes to the next one, and what has none there either ends in an ellipsis.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline import files
from pipeline.counting import counted
from pipeline.durations import clock_time
from pipeline.progress.figures import failure_line
from pipeline.progress.sinks import STOPPING
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.console import ConsoleOptions, RenderResult

    from pipeline.progress.figures import Figures

__all__ = ["View", "record_svg"]

_SEPARATOR = " · "
_Part = tuple[str, str]
"""Text that has passed ``printable``, and its style."""


class View:
    """Something that rich can print: the figures as they were at one instant."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the bars and the lines below them, none wider than ``options.max_width``."""
        yield _bars(self._figures)
        for parts in (_pace(self._figures), _rest(self._figures)):
            yield from _packed(parts, options.max_width)
        for thing_name, error in self._figures.failures:
            yield _line([(f"failed: {failure_line(thing_name, error)}", "red")])
        if self._figures.stopping:
            yield _line([(STOPPING, "bold yellow")])


def _bars(figures: Figures) -> Table:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_column(ratio=1, no_wrap=True, overflow="crop")
    table.add_column(no_wrap=True, overflow="ellipsis", justify="right")
    for label, reached in figures.stages.items():
        bar = ProgressBar(
            total=max(figures.total, 1), completed=reached, complete_style="cyan", finished_style="green"
        )
        table.add_row(Text(label), bar, Text(f"{reached:,}/{figures.total:,}"))
    return table


def _pace(figures: Figures) -> Iterator[_Part]:
    """How fast, against the limit that rules now."""
    if figures.pace:
        yield figures.pace, "bold"
    limit = figures.limit
    if limit is not None:
        allowed = "" if limit.per_second is None else f" {limit.per_second:.1f}/s"
        yield f"limit {printable(limit.name)}{allowed}", "cyan"
        yield f"{limit.waiting:,} waiting", "cyan"


def _rest(figures: Figures) -> Iterator[_Part]:
    """How long, and what went wrong so far."""
    if figures.left is not None:
        yield f"{clock_time(figures.left)} left", ""
    worst = figures.worst_throttle
    if worst is not None:
        number = sum(figures.throttles.values())
        yield f"{counted(number, 'throttle')}, most by {printable(worst[0])} ({worst[1]:,})", "yellow"
    if figures.failed:
        yield f"{figures.failed:,} failed", "bold red"
    if figures.skipped:
        yield f"{figures.skipped:,} skipped", ""


def _packed(parts: Iterator[_Part], width: int) -> Iterator[Text]:
    """Yield as many lines as the parts need, and none where there are no parts."""
    line: list[_Part] = []
    taken = 0
    for part in parts:
        more = cell_len(part[0]) + (len(_SEPARATOR) if line else 0)
        if line and taken + more > width:
            yield _line(line)
            line, taken, more = [], 0, cell_len(part[0])
        line.append(part)
        taken += more
    if line:
        yield _line(line)


def _line(parts: Sequence[_Part]) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    for index, (text, style) in enumerate(parts):
        line.append(_SEPARATOR if index else "", "dim")
        line.append(text, style)
    return line


def record_svg(figures: Figures, path: Path, *, title: str, width: int = 96) -> None:
    """Write a picture of a display as it is at this instant, for instance of a real run for a README.

    Args:
        figures: What ``Gauge.read`` returned.
        path: Where the picture goes.
        title: What stands above it.
        width: The terminal's width in characters.

    Raises:
        DiskError: It cannot be written.
    """
    console = Console(
        record=True,
        width=width,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        markup=False,
        emoji=False,
        highlight=False,
    )
    console.print(View(figures))
    svg = console.export_svg(title=title, unique_id="thingmill")
    # rich has the picture load its font from a host of somebody else's; the reader's own will do.
    svg = re.sub(r"\s*@font-face\s*\{[^}]*\}", "", svg)
    files.replace_whole(path, svg.encode())
