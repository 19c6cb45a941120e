"""What Ctrl-C means: a first signal drains the run, within a bound, and a second one ends the process at once.

Either way the run can be resumed: what is durable is in the ledger.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.errors import InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["draining"]

DRAIN_SECONDS = 60.0
"""Longer than any call may take: after a request to stop, what is in flight has this long to be recorded."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_SHOW_CURSOR = "\x1b[?25h"


@contextmanager
def draining(request_stop: Callable[[], None]) -> Iterator[None]:
    """Answer SIGINT, SIGTERM and SIGHUP for the length of the block, inside an event loop.

    Args:
        request_stop: Asks the run to finish what is in flight and end.
    """
    loop = asyncio.get_running_loop()
    bound: list[asyncio.TimerHandle] = []

    def received() -> None:
        if bound:
            _leave_at_once()
        bound.append(loop.call_later(DRAIN_SECONDS, _leave_at_once))
        request_stop()

    # What this process was started to ignore (nohup) stays ignored.
    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heeded:
        loop.add_signal_handler(number, received)
    try:
        yield
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
        for handle in bound:
            handle.cancel()


def _leave_at_once() -> None:
    """End as a power cut would, which every step is made for: no handler, no flush. Workers follow."""
    if sys.stderr.isatty():
        # A display that is cut off leaves the cursor hidden.
        os.write(sys.stderr.fileno(), _SHOW_CURSOR.encode())
    os._exit(InterruptedRunError.exit_code)
