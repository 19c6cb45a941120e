"""Virtual time: processes are generators, which yield the seconds they sleep, or None to be woken by another.

>>> kernel = Kernel()
>>> def sleeper() -> Process[None]:
...     yield 3.5
>>> kernel.start(sleeper())
>>> kernel.run()
>>> kernel.now
3.5

Nothing here draws a number: what is due at the same instant happens in the order in which it was asked for.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Generator
from typing import TypeAlias, TypeVar

__all__ = ["Kernel", "Places", "Process"]

T = TypeVar("T")

Process: TypeAlias = Generator["float | None", None, T]
"""What takes time: it yields seconds to sleep, or None to wait until somebody wakes it."""

SHORTEST_SECONDS = 1e-9
"""No sleep is shorter, or time would stand still where its numbers are large."""


class Kernel:
    """A clock, and what is due on it.

    Attributes:
        now: Seconds since the beginning.
        running: The process that runs at this instant, for whoever wants to wake it later.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.running: Process[None]
        self._due: list[tuple[float, int, Process[None]]] = []
        self._number = 0

    def start(self, process: Process[None], after: float = 0.0) -> None:
        """Start a process, or wake one that waits, after so many seconds."""
        self._number += 1
        heapq.heappush(self._due, (self.now + after, self._number, process))

    def run(self, until: float = float("inf")) -> None:
        """Let time pass until nothing is due, or up to an instant."""
        while self._due and self._due[0][0] <= until:
            self.now, _, self.running = heapq.heappop(self._due)
            try:
                pause = next(self.running)
            except StopIteration:
                continue
            if pause is not None:
                self.start(self.running, max(pause, SHORTEST_SECONDS))


class Places:
    """So many places, held by one process each, first come, first served: cores, lanes, a turn.

    Args:
        kernel: The clock.
        number: How many there are.
    """

    def __init__(self, kernel: Kernel, number: int) -> None:
        self._kernel = kernel
        self._free = number
        self._waiting: deque[Process[None]] = deque()

    @property
    def free(self) -> bool:
        """Whether a place can be had at once."""
        return self._free > 0

    def take(self, *, first: bool = False) -> Process[None]:
        """Wait for a place, before all others if ``first``."""
        if self._free:
            self._free -= 1
            return
        if first:
            self._waiting.appendleft(self._kernel.running)
        else:
            self._waiting.append(self._kernel.running)
        yield None

    def give(self) -> None:
        """Leave a place, to the first who waits."""
        if self._waiting:
            self._kernel.start(self._waiting.popleft())
        else:
            self._free += 1
