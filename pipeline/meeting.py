"""A place that nobody passes before all have come: what may still refuse is found before anything is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.stop import Stop

__all__ = ["Meeting"]


class Meeting:
    """For several that go the same way at once. It may be held again once all have come.

    Args:
        expected: How many take part.
        all_here: Called when the last one comes, before anyone goes on.
    """

    def __init__(self, expected: int, all_here: Callable[[], None]) -> None:
        self._expected = expected
        self._all_here = all_here
        self._here = 0
        self._event = anyio.Event()

    async def wait(self, stop: Stop) -> None:
        """Wait for the others.

        Raises:
            StoppedError: Whoever waits was asked to stop.
        """
        self._here += 1
        event = self._event
        self._look()
        with stop.interruptible():
            await event.wait()

    def leave(self) -> None:
        """Take part no longer: nobody waits for whoever called this."""
        self._expected -= 1
        self._look()

    def _look(self) -> None:
        if 0 < self._expected <= self._here:
            event, self._here, self._event = self._event, 0, anyio.Event()
            self._all_here()
            event.set()
