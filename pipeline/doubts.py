"""What a person is told of requests without an answer while they are settled: once for all that wait together.

Nothing moves meanwhile on any display, which would look like a run that hangs.
"""

from __future__ import annotations

import enum
import math
from collections import Counter
from typing import TYPE_CHECKING

from pipeline.counting import counted, verb

if TYPE_CHECKING:
    from pipeline.meter import Meter
    from pipeline.stop import Stop

__all__ = ["Doubts", "Fate"]


class Fate(enum.StrEnum):
    """What became of a request without an answer, as a note says it."""

    FOUND = "found"
    NOT_ISSUED = "not issued"
    OPEN = "still in doubt"


class Doubts:
    """Counts requests that are being settled, and notes when the first is taken up and when none is left.

    Args:
        meter: Takes the notes.
        stop: Tells that those that were expected may not come any more.
        seconds: How long one of them takes at the most, as a rule.
    """

    def __init__(self, meter: Meter, stop: Stop, seconds: float) -> None:
        self._meter = meter
        self._stop = stop
        self._seconds = math.ceil(seconds)
        self._expected = 0
        self._waiting = 0
        self._fates: Counter[Fate] = Counter()

    def expect(self, number: int) -> None:
        """Say how many are about to be taken up, though they come one after the other."""
        self._expected = number

    def begin(self) -> None:
        """One is taken up."""
        self._waiting += 1
        if self._waiting == 1 and not self._fates:
            number = max(self._expected, 1)
            self._meter.note(
                f"{counted(number, 'request')} without an answer {verb('are', number)} being looked for, "
                f"up to {self._seconds} s"
            )

    def end(self, fate: Fate) -> None:
        """One is settled, or given up for now."""
        self._waiting -= 1
        self._fates[fate] += 1
        number = self._fates.total()
        if self._waiting or (number < self._expected and not self._stop.requested):
            return
        found = ", ".join(f"{self._fates[each]:,} {each}" for each in Fate if self._fates[each])
        self._meter.note(f"{counted(number, 'request')} without an answer: {found}")
        self._fates.clear()
        self._expected = 0
