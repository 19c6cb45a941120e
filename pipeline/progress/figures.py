"""A meter read at one instant: the counts, the pace, and what decides it, in numbers and in words."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.device import State
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.errors import DeviceError
    from pipeline.meter import Limit, Meter

__all__ = ["STAGES", "Figures", "Gauge", "failure_line"]

STAGES = {
    "things": State.PLANNED,
    "keys": State.KEYED,
    "certificates": State.ISSUED,
    "bundles": State.BUNDLED,
    "links": State.LINKED,
    "done": State.DONE,
}
"""What a display shows of the steps: a label, and the state that a device must have reached to count."""

_WINDOW_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Figures:
    """A run at one instant. Nothing in it changes, so any thread may show it.

    Attributes:
        stages: How many devices have come through each stage of ``STAGES``, earlier processes' included.
        total: Devices in the run.
        rate: Devices that this process finished per second of the last ten, or None before the first second.
        left: Seconds until the rest is done at this rate, or None where that cannot be said.
        limit: What decides the pace.
        throttles: How often each operation was throttled, without those that were not.
        failed: How many devices failed.
        skipped: How many were left alone.
        failures: The latest failures, newest last.
        stopping: Whether the run was asked to stop.
    """

    stages: dict[str, int]
    total: int
    rate: float | None
    left: float | None
    limit: Limit | None
    throttles: dict[str, int]
    failed: int
    skipped: int
    failures: tuple[tuple[str, DeviceError], ...]
    stopping: bool

    @property
    def pace(self) -> str:
        """``12.9 devices/s``, or "" before there is a rate."""
        return "" if self.rate is None else f"{self.rate:.1f} devices/s"

    @property
    def worst_throttle(self) -> tuple[str, int] | None:
        """The operation that was throttled most, and how often."""
        return max(self.throttles.items(), key=lambda item: item[1], default=None)


class Gauge:
    """Reads a meter, and remembers enough of the last seconds to tell the pace.

    To be read where the run is, on the event loop: what a meter asks is not made for other threads.

    Args:
        meter: The meter.
        clock: Seconds on a clock that never goes back.
    """

    def __init__(self, meter: Meter, clock: Callable[[], float] = time.monotonic) -> None:
        self._meter = meter
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()

    def read(self) -> Figures:
        """Return how the run stands now."""
        meter = self._meter
        rate = self._rate()
        remaining = meter.total - meter.at_least[State.DONE] - meter.failed - meter.skipped - meter.left_out
        return Figures(
            stages={label: meter.at_least[state] for label, state in STAGES.items()},
            total=meter.total,
            rate=rate,
            left=remaining / rate if rate and remaining > 0 else None,
            limit=meter.limit(),
            throttles={api: number for api, number in meter.throttles().items() if number},
            failed=meter.failed,
            skipped=meter.skipped,
            failures=tuple(meter.last_failures),
            stopping=meter.stopping,
        )

    def _rate(self) -> float | None:
        # Only what this process did counts: a resumed run begins with many that are done and no pace.
        now, done = self._clock(), self._meter.gained(State.DONE)
        samples = self._samples
        samples.append((now, done))
        # The newest sample that is a whole window old stays, so the pace is over that window and not over less.
        while len(samples) > 2 and samples[1][0] <= now - _WINDOW_SECONDS:
            samples.popleft()
        since, done_then = samples[0]
        return (done - done_then) / (now - since) if now - since >= 1 else None


def failure_line(thing_name: str, error: DeviceError) -> str:
    """Return a failure on one line, safe to print."""
    return f"{printable(thing_name)} · step {error.step} · {printable(error.code)} · {printable(error.message)}"
