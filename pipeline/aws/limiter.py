"""One rate budget for each API operation: arithmetic under a clock of the caller's, and a queue around it.

The arithmetic is GCRA, the generic cell rate algorithm (ITU-T I.371): one number, the theoretical arrival time
of the next call, says whether a call conforms. A throttle lowers the rate at once, at most once a window, since
the calls that were in flight together are throttled together; from there it climbs back to the grant in a
straight line, which shares an account's quota fairly with whoever else uses it (Chiu and Jain, 1989).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Budget", "Rate"]

BURST_SECONDS = 0.05
"""What may be caught up at once after a late wake-up, in seconds of the rate; one call at the least."""

LATE_SECONDS = 0.02
"""How late a sleeper may wake without costing part of the rate: calls may come this much early, and so make up for
it. Never more than a quarter of the time between two calls."""

CUT = 0.8
"""A throttle leaves this part of the rate."""

WINDOW_SECONDS = 1.0
"""Throttles within this time of a cut belong to it."""

CLIMB_SECONDS = 15.0
"""In this time a rate would climb from nothing to its grant."""

FLOOR = 0.05
"""No throttle takes a rate below this part of its grant: somebody has to find out that it is over."""


@dataclass(slots=True)
class Rate:
    """When the next call may be made. Times are seconds on a clock that never goes back.

    Attributes:
        grant: Calls per second that the account grants.
    """

    grant: float
    _arrival: float = field(default=float("-inf"), init=False)
    _cut_at: float = field(default=float("-inf"), init=False)
    _cut_to: float = field(default=0.0, init=False)

    def now_at(self, now: float) -> float:
        """Return the rate that holds now, in calls per second."""
        climbed = self._cut_to + self.grant * (now - self._cut_at) / CLIMB_SECONDS
        return min(self.grant, climbed)

    def delay(self, now: float) -> float:
        """Return the seconds until a call conforms; 0 when it does now."""
        interval = 1 / self.now_at(now)
        early = max(BURST_SECONDS - interval, min(interval / 4, LATE_SECONDS))
        return max(0.0, self._arrival - early - now)

    def take(self, now: float) -> None:
        """Count a call that is made now."""
        self._arrival = max(self._arrival, now) + 1 / self.now_at(now)

    def throttled(self, now: float) -> None:
        """Slow down: a call that conformed was throttled all the same."""
        if now - self._cut_at >= WINDOW_SECONDS:
            self._cut_to = max(self.now_at(now) * CUT, self.grant * FLOOR)
            self._cut_at = now


class Budget:
    """A rate that calls queue for, first come, first served.

    Args:
        grant: Calls per second.
        clock: Seconds on a clock that never goes back.
        sleep: Waits so many seconds of that clock.
    """

    def __init__(
        self,
        grant: float,
        clock: Callable[[], float] = anyio.current_time,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._rate = Rate(grant)
        self._clock = clock
        self._sleep = sleep
        # Only the first in line waits for the clock, so a throttle slows everybody behind it too.
        self._turn = anyio.Lock()
        self.waiting = 0
        self.calls = 0
        self.throttles = 0

    @property
    def grant(self) -> float:
        """Calls per second that the account grants."""
        return self._rate.grant

    @property
    def rate(self) -> float:
        """Calls per second now."""
        return self._rate.now_at(self._clock())

    def acquire_nowait(self) -> bool:
        """Take leave to make one call if it can be had without waiting and past nobody who waits."""
        if self.waiting or self._rate.delay(now := self._clock()) > 0:
            return False
        self._rate.take(now)
        self.calls += 1
        return True

    async def acquire(self) -> None:
        """Wait for leave to make one call. A wait that is cancelled costs nothing."""
        if self.acquire_nowait():
            return
        self.waiting += 1
        try:
            async with self._turn:
                while (delay := self._rate.delay(self._clock())) > 0:
                    await self._sleep(delay)
                self._rate.take(self._clock())
        finally:
            self.waiting -= 1
        self.calls += 1

    def throttled(self) -> None:
        """Say that a call was throttled."""
        self.throttles += 1
        self._rate.throttled(self._clock())
