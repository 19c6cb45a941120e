"""What a display is: told of each event, shown the figures now and then, and begun and ended once.

``Silence`` does nothing of it; every display overrides what it wants to know.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, ClassVar, TextIO

from pipeline.progress.figures import failure_line
from pipeline.text import printable

if TYPE_CHECKING:
    from pipeline.device import Device, State
    from pipeline.errors import DeviceError
    from pipeline.progress.figures import Figures

__all__ = ["STOPPING", "FailureLog", "Silence", "print_line"]

STOPPING = "stopping: finishing what is in flight"
"""What is said from a first Ctrl-C on."""


class Silence:
    """A ``pipeline.meter.Listener`` that shows nothing.

    Attributes:
        every: Seconds between two looks at the figures, or None where the display wants none.
    """

    every: ClassVar[float | None] = None

    def begin(self, figures: Figures) -> None:
        """The run is about to begin."""

    def tick(self, figures: Figures) -> None:
        """So the run stands now."""

    def end(self, figures: Figures) -> None:
        """The run is over, in whatever way."""

    def reached(self, device: Device, state: State) -> None:
        """A device's step became durable."""

    def failed(self, device: Device, error: DeviceError) -> None:
        """A device failed."""

    def skipped(self, device: Device, reason: DeviceError) -> None:
        """A device is left alone."""

    def note(self, message: str) -> None:
        """Something that a person should know."""


class FailureLog(Silence):
    """Prints failures as they come, the first twenty of them: what ``--quiet`` leaves.

    Args:
        stream: Where to, usually standard error.
    """

    SHOWN = 20

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._failures = 0
        self._advised: set[str] = set()

    def failed(self, device: Device, error: DeviceError) -> None:
        """Print a failure, and the advice on the first of its cause, while there are few."""
        self._failures += 1
        if self._failures <= self.SHOWN:
            # Once for each cause: the same words behind every line would only hide the names.
            new = error.code not in self._advised
            self._advised.add(error.code)
            advice = f" ({printable(error.advice)})" if error.advice and new else ""
            print_line(self._stream, f"failed: {failure_line(device.thing_name, error)}{advice}")

    def end(self, figures: Figures) -> None:  # noqa: ARG002 (what every display is given at the end)
        """Say how many failures were not printed."""
        if self._failures > self.SHOWN:
            print_line(self._stream, f"failed: {self._failures - self.SHOWN:,} more, all of them in summary.csv")


def print_line(stream: TextIO, text: str) -> None:
    """Print a line. A reader that went away must not stop a run in the middle of its devices."""
    with contextlib.suppress(OSError):
        stream.write(text + "\n")
        stream.flush()
