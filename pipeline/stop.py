"""The request to stop: waits end at once, calls and writes in flight are finished.

>>> stop = Stop()
>>> stop.request()
>>> with stop.interruptible():
...     pass
Traceback (most recent call last):
pipeline.stop.StoppedError
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Stop", "StoppedError"]


class StoppedError(Exception):
    """The run was asked to stop, and this device is at a place where it can."""


class Stop:
    """Shared by everything in a run that waits."""

    def __init__(self) -> None:
        self.requested = False
        self._waits: set[anyio.CancelScope] = set()

    def request(self) -> None:
        """Ask the run to stop: whoever is inside ``interruptible`` gets ``StoppedError``."""
        self.requested = True
        for scope in tuple(self._waits):
            scope.cancel()

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Surround a wait that leaves nothing half-done when it ends early.

        Raises:
            StoppedError: The run was asked to stop, before the wait or during it.
        """
        if self.requested:
            raise StoppedError
        with anyio.CancelScope() as scope:
            self._waits.add(scope)
            try:
                yield
            finally:
                self._waits.discard(scope)
        if scope.cancelled_caught:
            raise StoppedError
