"""Who may stand at the head of the queue for CreateCertificateFromCsr.

Before a request is sent its intent is committed to disk, which takes a while that varies. Were the quota waited
for first, that while would make the calls arrive unevenly, and a server that counts finely would throttle some;
were the intent committed by everybody who waits, a crash would leave all of them in doubt. So a few at a time
commit, and then wait for the quota: enough to keep it busy, and few enough to settle.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipeline.stop import Stop

__all__ = ["Gate"]

AHEAD_SECONDS = 0.25
"""For how much of the quota intents are committed ahead: several times what a commit takes on a slow disk."""


class Gate:
    """Lets a few in at a time, first come, first served.

    Args:
        rate: Calls per second that the quota grants.
        stop: Ends waits when the run is asked to stop.
    """

    def __init__(self, rate: float, stop: Stop) -> None:
        self._places = anyio.Semaphore(math.ceil(rate * AHEAD_SECONDS) + 1)
        self._stop = stop
        self.waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place and hold it for the length of the block.

        Raises:
            StoppedError: The run was asked to stop.
        """
        self.waiting += 1
        try:
            with self._stop.interruptible():
                await self._places.acquire()
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._places.release()
