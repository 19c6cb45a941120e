"""What Ctrl-C means: a first signal drains the run, within a bound, and a second one ends the process at once.

Either way the run can be resumed: what is durable is in the ledger.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from pipeline.errors import InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["draining"]

DRAIN_SECONDS = 60.0
"""Longer than any call may take: after a request to stop, what is in flight has this long to be recorded."""

_SHOW_CURSOR = "\x1b[?25h"


@asynccontextmanager
async def draining(is_stopping: Callable[[], bool], request_stop: Callable[[], None]) -> AsyncIterator[None]:
    """Answer SIGINT, SIGTERM and SIGHUP for the length of the block.

    Args:
        is_stopping: Whether the run was asked to stop already.
        request_stop: Asks it to finish what is in flight and end.
    """

    async def watch() -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as received:
            async for _ in received:
                if is_stopping():
                    _leave_at_once()
                request_stop()
                group.start_soon(bound)

    async def bound() -> None:
        await anyio.sleep(DRAIN_SECONDS)
        _leave_at_once()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        try:
            yield
        finally:
            group.cancel_scope.cancel()


def _leave_at_once() -> None:
    """End as a power cut would, which every step is made for: no handler, no flush. Workers follow."""
    if sys.stderr.isatty():
        # A display that is cut off leaves the cursor hidden.
        os.write(sys.stderr.fileno(), _SHOW_CURSOR.encode())
    os._exit(InterruptedRunError.exit_code)
