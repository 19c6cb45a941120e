"""One rate budget for each API operation: a queue around ``rate.Rate``, first come, first served."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

import anyio

from pipeline.aws.rate import Rate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pipeline.aws.rate import Leave

__all__ = ["Budget"]

_LEAVE: ContextVar[tuple[Budget, Leave] | None] = ContextVar("leave", default=None)
"""The leave that the running task took last. A task makes a call at a time, and says itself that it was
throttled."""


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
        self._take(now)
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
                self._take(self._clock())
        finally:
            self.waiting -= 1

    def throttled(self) -> None:
        """Say that the call was throttled that the running task made with the leave it took last."""
        self.throttles += 1
        budget, leave = _LEAVE.get() or (None, None)
        self._rate.throttled(self._clock(), leave if budget is self else None)

    def _take(self, now: float) -> None:
        _LEAVE.set((self, self._rate.take(now)))
        self.calls += 1
