"""A revoke as it goes: a bar on a terminal, a line every five seconds elsewhere, or an object a line.

Whatever stays is said with its reason as it comes, the first hundred of them; ``--json`` leaves none out.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.durations import clock_time
from pipeline.progress.sinks import STOPPING, Silence, print_line
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, ConsoleOptions, RenderResult

__all__ = ["BarOfRevoking", "EventsOfRevoking", "LinesOfRevoking", "bar_of_revoking"]

_LINE_SECONDS = 5.0
_MOST_STAYS = 100
_SPARE = 4
"""Characters that a bar leaves free at the end of its line: ``^C`` takes two, and some are impatient."""


class LinesOfRevoking(Silence):
    """A ``pipeline.revoke.Watcher`` that prints lines.

    Args:
        run: The run's name.
        total: Devices to take back.
        stream: Where to, usually standard error.
        clock: Seconds on a clock that never goes back.
    """

    def __init__(self, run: str, total: int, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = printable(run, 80)
        self._total = total
        self._stream = stream
        self._clock = clock
        self._begun = clock()
        self._next = self._begun + _LINE_SECONDS
        self._taken = self._kept = 0

    def revoked(self, thing_name: str) -> None:  # noqa: ARG002  what every watcher is told
        """Count a device, and print a line now and then."""
        self._taken += 1
        if self._clock() >= self._next:
            self._next = self._clock() + _LINE_SECONDS
            self._say(self.line())

    def stays(self, thing_name: str, reason: str) -> None:
        """Print what could not be taken back, while there is little of it."""
        self._kept += 1
        if self._kept <= _MOST_STAYS:
            self._say(f"stays: {printable(thing_name, 160)}: {printable(reason)}")

    def note(self, message: str) -> None:
        """Print what a person should know."""
        self._say(printable(message))

    def stopping(self) -> None:
        """Say that nothing more is begun."""
        self._say(STOPPING)

    def end(self, *_figures: object) -> None:
        """Say how much stays that was not named."""
        if self._kept > _MOST_STAYS:
            self._say(f"stays: {self._kept - _MOST_STAYS:,} more; --json names all of them")

    def line(self) -> str:
        """Return how far it is, on one line, safe to print."""
        seconds = self._clock() - self._begun
        rate = self._taken / seconds if seconds >= 1 else 0.0
        parts = [f"revoking {self._run}: {self._taken:,}/{self._total:,}"]
        if rate:
            parts += [f"{rate:.1f} devices/s", f"{clock_time(max(self._total - self._taken, 0) / rate)} left"]
        if self._kept:
            parts.append(f"{self._kept:,} stay")
        return "  ".join(parts)

    def _say(self, text: str) -> None:
        print_line(self._stream, text)


class BarOfRevoking(LinesOfRevoking):
    """The same, as a bar that is drawn in place, with what is said above it."""

    def __init__(
        self, run: str, total: int, console: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(run, total, sys.stderr, clock)
        self._console = console
        self._next = float("inf")  # the bar says it all the time

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the line with a bar, a little narrower than the terminal.

        A terminal shows ``^C`` where the line ends. On a full line that would begin another one, and what is drawn
        in place would be a line off from then on.
        """
        table = Table.grid(expand=True, padding=(0, 1))
        table.add_column(no_wrap=True, overflow="ellipsis")
        table.add_column(ratio=1, no_wrap=True, overflow="crop")
        table.add_row(Text(self.line()), ProgressBar(total=max(self._total, 1), completed=self._taken))
        yield from console.render(table, options.update(max_width=max(options.max_width - _SPARE, 1)))

    def _say(self, text: str) -> None:
        self._console.print(Text(text))


@contextlib.contextmanager
def bar_of_revoking(bar: BarOfRevoking, console: Console) -> Iterator[None]:
    """Draw the bar for as long as the block runs, and take it away."""
    with Live(console=console, get_renderable=lambda: bar, transient=True, redirect_stdout=False):
        yield


class EventsOfRevoking(Silence):
    """A ``pipeline.revoke.Watcher`` that prints an object a line: ``revoked``, ``stays`` and ``note``.

    Args:
        stream: Standard output.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def revoked(self, thing_name: str) -> None:
        """Print that a device is taken back."""
        self._print("revoked", thing=printable(thing_name))

    def stays(self, thing_name: str, reason: str) -> None:
        """Print what could not be taken back."""
        self._print("stays", thing=printable(thing_name), reason=printable(reason))

    def note(self, message: str) -> None:
        """Print what a person should know."""
        self._print("note", message=printable(message))

    def stopping(self) -> None:
        """Nothing comes of it that is not told anyway."""

    def end(self, *_figures: object) -> None:
        """Nothing is left out, so nothing is added."""

    def _print(self, event: str, **fields: str) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        print_line(self._stream, json.dumps({"event": event, **fields, "time": moment}))
