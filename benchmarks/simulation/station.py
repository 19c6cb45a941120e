"""A station: devices through lanes, each call paid from a ``Rate`` of thingmill's own, throttles waited out.

The rates are the product's code; the queue before them and the retries are those of ``pipeline.aws.limiter`` and
``pipeline.aws.caller`` told again in virtual time: first come, first served, and a pause with full jitter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from benchmarks.simulation.kernel import Places
from pipeline.aws.caller import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS
from pipeline.lanes import LANES

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from benchmarks.simulation.kernel import Kernel, Process
    from benchmarks.simulation.server import Server
    from pipeline.aws.rate import Leave

__all__ = ["Budget", "Pace", "Station", "Step", "call", "work"]


class Pace(Protocol):
    """What ``pipeline.aws.rate.Rate`` is: arithmetic under the caller's clock."""

    def delay(self, now: float) -> float:
        """Return the seconds until a call conforms."""

    def take(self, now: float) -> Leave:
        """Count a call that is made now."""

    def throttled(self, now: float, leave: Leave | None = None) -> None:
        """Slow down."""


class Budget:
    """A rate that calls queue for, as ``pipeline.aws.limiter.Budget``.

    Args:
        kernel: The clock.
        rate: The arithmetic.
    """

    def __init__(self, kernel: Kernel, rate: Pace) -> None:
        self.rate = rate
        self._kernel = kernel
        self._turn = Places(kernel, 1)

    def acquire(self) -> Process[Leave]:
        """Wait for leave to make one call, and return it."""
        yield from self._turn.take()
        while (delay := self.rate.delay(self._kernel.now)) > 0:
            yield delay
        leave = self.rate.take(self._kernel.now)
        self._turn.give()
        return leave

    def throttled(self, leave: Leave) -> None:
        """Say that the call was throttled that was made with a leave."""
        self.rate.throttled(self._kernel.now, leave)


class Station:
    """One run.

    Args:
        kernel: The clock.
        server: What answers it.
        number: Who it is, for the server.
        rates: By operation.
        source: What its jitter is drawn from.

    Attributes:
        done: When each device was done.
        stopped: Has been ended, as by a kill: it makes no more calls.
    """

    def __init__(
        self, kernel: Kernel, server: Server, number: int, rates: dict[str, Pace], source: random.Random
    ) -> None:
        self.kernel = kernel
        self.server = server
        self.number = number
        self.budgets = {api: Budget(kernel, rate) for api, rate in rates.items()}
        self.source = source
        self.done: list[float] = []
        self.stopped = False
        self._left = 0

    def begin(self, devices: int, steps: Sequence[Step], after: float = 0.0, lanes: int = LANES) -> None:
        """Begin to take devices through the steps, one after the other in each lane.

        Args:
            devices: How many.
            steps: What happens to a device, in order.
            after: Seconds from now.
            lanes: How many devices are in work at once.
        """
        self._left = devices
        for _ in range(min(lanes, devices)):
            self.kernel.start(self._lane(steps), after)

    def _lane(self, steps: Sequence[Step]) -> Process[None]:
        while self._left and not self.stopped:
            self._left -= 1
            for step in steps:
                yield from step(self)
            if not self.is_stopped():
                self.done.append(self.kernel.now)

    def is_stopped(self) -> bool:
        """Whether it was ended, perhaps while a step took its time."""
        return self.stopped


class Step(Protocol):
    """One thing that happens to a device."""

    def __call__(self, station: Station) -> Process[None]:
        """Take as long as it takes."""


def call(api: str, *, steady: bool = False) -> Step:
    """Return the step that makes a call until it is admitted.

    Args:
        api: The operation.
        steady: Each pause is the second, as where ``issuance`` asks for a certificate; else they grow.
    """

    def made(station: Station) -> Process[None]:
        budget, retry = station.budgets[api], 0
        while True:
            leave = yield from budget.acquire()
            if station.stopped:
                return
            if (yield from station.server.call(station.number, api)):
                return
            budget.throttled(leave)
            retry = 2 if steady else retry + 1
            longest = min(FIRST_PAUSE_SECONDS * 2 ** min(retry, 10), LONGEST_PAUSE_SECONDS)
            yield longest * station.source.random()

    return made


def work(places: Places, seconds: Callable[[], float]) -> Step:
    """Return the step that holds one of some places for a while: a core that makes a key, or a disk.

    Args:
        places: What is scarce.
        seconds: How long this time.
    """

    def done(station: Station) -> Process[None]:
        del station
        yield from places.take()
        yield seconds()
        places.give()

    return done
