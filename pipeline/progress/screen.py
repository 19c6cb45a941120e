"""The run on a terminal, drawn eight times a second.

The event loop only says how the run stands; rich's own thread draws it. So a slow terminal, or one that was
paused with Ctrl-S, holds up the picture and not the devices.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar

from rich.live import Live
from rich.text import Text

from pipeline.progress.sinks import Silence
from pipeline.progress.view import View
from pipeline.text import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from pipeline.progress.figures import Figures

__all__ = ["Screen"]

_FRAMES_PER_SECOND = 8


class Screen(Silence):
    """Draws the figures in place, and the notes above them.

    Args:
        console: A console on a terminal.
    """

    every: ClassVar[float | None] = 1 / _FRAMES_PER_SECOND

    def __init__(self, console: Console) -> None:
        self._console = console
        self._view: View | None = None
        self._live: Live | None = None
        self._notes: deque[Text] = deque()

    def begin(self, figures: Figures) -> None:
        """Start drawing."""
        self._view = View(figures)
        self._live = Live(
            console=self._console,
            get_renderable=self._frame,
            refresh_per_second=_FRAMES_PER_SECOND,
            redirect_stdout=False,  # the result goes to standard output, the picture does not
        )
        self._live.start()

    def tick(self, figures: Figures) -> None:
        """Show these figures from the next frame on."""
        self._view = View(figures)

    def end(self, figures: Figures) -> None:
        """Draw the last frame, and leave it standing."""
        self._view = View(figures)
        if self._live is not None:
            self._live.stop()

    def note(self, message: str) -> None:
        """Print what a person should know above the bars, with the next frame."""
        self._notes.append(Text(printable(message)))

    def _frame(self) -> RenderableType:
        """Return what is drawn in place. Called by whoever draws, so this may wait for the terminal."""
        while self._notes:
            self._console.print(self._notes.popleft())
        return self._view or ""
