"""The run as plain lines, one every five seconds: for logs, CI, and wherever there is no terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipeline.durations import clock_time
from pipeline.progress.sinks import STOPPING, FailureLog, print_line
from pipeline.text import printable

if TYPE_CHECKING:
    from pipeline.progress.figures import Figures

__all__ = ["PlainLines", "plain_line"]


class PlainLines(FailureLog):
    """Prints the figures, the notes, and the first failures."""

    every: ClassVar[float | None] = 5.0

    def begin(self, figures: Figures) -> None:
        """Print where the run begins."""
        self.tick(figures)

    def tick(self, figures: Figures) -> None:
        """Print where the run stands, once its devices are counted."""
        if figures.total:
            print_line(self._stream, plain_line(figures))

    def end(self, figures: Figures) -> None:
        """Print where the run ended."""
        super().end(figures)
        self.tick(figures)

    def note(self, message: str) -> None:
        """Print what a person should know."""
        print_line(self._stream, printable(message))


def plain_line(figures: Figures) -> str:
    """Return the figures on one line, safe to print. What is nought is left out, except for the stages."""
    total = figures.total
    parts = [f"{label} {reached}/{total}" for label, reached in figures.stages.items()]
    if figures.pace:
        parts.append(figures.pace)
    limit = figures.limit
    if limit is not None:
        per_second = "" if limit.per_second is None else f" {limit.per_second:.4g}/s"
        parts.append(f"limit {printable(limit.name)}{per_second}")
    if figures.throttles:
        parts.append(f"throttles {sum(figures.throttles.values())}")
    if figures.failed:
        parts.append(f"failed {figures.failed}")
    if figures.skipped:
        parts.append(f"skipped {figures.skipped}")
    if figures.left is not None:
        parts.append(f"left {clock_time(figures.left)}")
    if figures.stopping:
        parts.append(STOPPING)
    return "  ".join(parts)
