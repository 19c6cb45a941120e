"""``python -m benchmarks.profiler REPORT ARGUMENTS …``: thingmill, with its event loop's CPU time by owner.

It counts from the first device on, so neither imports nor the manifest are in it.
A timer looks at the main thread every few milliseconds of CPU time, and charges what that thread has used since
the last look to the innermost frame that belongs to somebody: the AWS client (aiobotocore and what is below it),
thingmill, or else the event loop. Other threads (the ledger's, and those that write files) are thingmill's work.
REPORT is a JSON object of CPU seconds: ``client``, ``loop``, ``thingmill``, ``threads``; and ``places``, the lines
of thingmill that most was charged to.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import defaultdict
from functools import cache, wraps
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from unittest import mock

from benchmarks.harness import ROOT
from pipeline.cli import main
from pipeline.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["Profiler"]

P = ParamSpec("P")
T = TypeVar("T")

TICK_SECONDS = 0.004

_CLIENT = ("aiobotocore", "aiohttp", "aioitertools", "botocore", "multidict", "urllib3", "yarl")
_CLIENT_PARTS = tuple(f"/site-packages/{package}/" for package in _CLIENT)
_OURS = str(ROOT / "pipeline") + "/"


class Profiler:
    """Charges the main thread's CPU time, from ``start`` to ``stop``."""

    def __init__(self) -> None:
        self.charged: defaultdict[str, float] = defaultdict(float)
        self.places: defaultdict[str, float] = defaultdict(float)

    def start(self) -> None:
        """Begin; what was used before is not counted."""
        self._process, self._main = time.process_time(), time.thread_time()
        self._began = self._main
        signal.signal(signal.SIGPROF, self._tick)
        signal.setitimer(signal.ITIMER_PROF, TICK_SECONDS, TICK_SECONDS)

    def started_by(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return a function that begins before it does what it did."""

        @wraps(function)
        def started(*args: P.args, **kwargs: P.kwargs) -> T:
            self.start()
            return function(*args, **kwargs)

        return started

    def stop(self) -> dict[str, object]:
        """End, and return the report."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        others = (time.process_time() - self._process) - (time.thread_time() - self._began)
        seconds = {owner: round(self.charged[owner], 3) for owner in ("client", "loop", "thingmill")}
        return {
            **seconds,
            "threads": round(others, 3),
            "places": sorted(self.places.items(), key=itemgetter(1), reverse=True)[:12],
        }

    def _tick(self, _signal: int, frame: FrameType | None) -> None:
        now = time.thread_time()
        used, self._main = now - self._main, now
        owner, place = _owner(frame)
        self.charged[owner] += used
        if place:
            self.places[place] += used


def _owner(frame: FrameType | None) -> tuple[str, str]:
    """Return whose a stack is, and the line of thingmill where it is thingmill's."""
    while frame is not None:
        owner = _owner_of(frame.f_code.co_filename)
        if owner == "client":
            return owner, ""
        if owner:
            place = frame.f_code.co_filename.removeprefix(str(ROOT) + "/")
            return owner, f"{place}:{frame.f_lineno} {frame.f_code.co_qualname}"
        frame = frame.f_back
    return "loop", ""


@cache
def _owner_of(file: str) -> str:
    if any(part in file for part in _CLIENT_PARTS):
        return "client"
    # Below everything that the loop does stands the command that runs the loop.
    return "thingmill" if file.startswith(_OURS) and not file.startswith(f"{_OURS}cli/") else ""


if __name__ == "__main__":
    report = Path(sys.argv[1])
    sys.argv = ["thingmill", *sys.argv[2:]]
    profiler = Profiler()
    with mock.patch.object(Meter, "begin", profiler.started_by(Meter.begin)):
        try:
            main()
        finally:
            report.write_text(json.dumps(profiler.stop()), encoding="utf-8")
