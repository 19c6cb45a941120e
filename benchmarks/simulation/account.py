"""An account that several stations share, in virtual time: who begins when, what is granted, what came of it.

>>> account = Account(quota=60.0, burst=6.0, seed=1)
>>> for _ in range(4):
...     _ = account.station()
>>> account.run(60.0)
>>> 0.9 < account.figures(0.0, 60.0).used < 1.1
True
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from benchmarks.simulation.figures import Sharing, figures, seconds_until
from benchmarks.simulation.kernel import Kernel
from benchmarks.simulation.server import Latency, Server
from benchmarks.simulation.station import Station, call
from pipeline.aws.rate import Rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.simulation.figures import Figures
    from benchmarks.simulation.kernel import Process
    from benchmarks.simulation.station import Pace

__all__ = ["API", "ENDLESS", "Account"]

API = "CreateCertificateFromCsr"
ENDLESS = 10**9
"""More devices than any station gets done."""


class Account:
    """One operation's quota, and stations that always want more of it than there is.

    Args:
        quota: Calls per second.
        burst: What the server's bucket holds, in calls.
        seed: Of everything that chance decides: latencies and the jitter of retries.
        latency: How long calls are on their way.
        believed: What each station takes its grant to be; the quota, if not given.
        pace: Makes a station's rate out of what it believes.

    Attributes:
        kernel: The clock.
        server: What came, in ``server.answers``.
    """

    def __init__(
        self,
        quota: float,
        burst: float,
        seed: int = 0,
        latency: Latency | None = None,
        believed: float | None = None,
        pace: Callable[[float], Pace] = Rate,
    ) -> None:
        self.kernel = Kernel()
        self.quota = quota
        self._random = random.Random(seed)  # noqa: S311  no secret
        self.server = Server(self.kernel, latency or Latency(), self._random)
        self.server.throttle.limit(API, quota, burst)
        self._believed = believed or quota
        self._pace = pace
        self._stations: list[Station] = []

    def station(self, begin: float = 0.0, end: float | None = None, devices: int = ENDLESS) -> Station:
        """Add a station that begins, and perhaps ends, at an instant (seconds)."""
        rates = {API: self._pace(self._believed)}
        station = Station(self.kernel, self.server, len(self._stations), rates, self._random)
        self._stations.append(station)
        station.begin(devices, (call(API, steady=True),), after=begin)
        if end is not None:
            self.kernel.start(_stop(station, end))
        return station

    def run(self, until: float) -> None:
        """Let time pass up to an instant, in seconds."""
        self.kernel.run(until)

    def figures(self, begin: float, end: float, stations: tuple[int, ...] | None = None) -> Figures:
        """Return how all stations, or those of some numbers, got on between two instants."""
        return figures(self.server.answers, self._sharing(stations), begin, end)

    def seconds_until(
        self, begin: float, end: float, *, least: float, window: float, stations: tuple[int, ...] | None = None
    ) -> float | None:
        """Return how long after an instant nobody of all stations, or of some, got too little any more.

        Args:
            begin: When something changed, in seconds.
            end: Up to when is looked.
            least: The part of its fair share that each is to get.
            window: Over so many seconds each share is taken.
            stations: Who is looked at; all, if not given.
        """
        sharing = self._sharing(stations)
        return seconds_until(self.server.answers, sharing, begin, end, least=least, window=window)

    def _sharing(self, stations: tuple[int, ...] | None) -> Sharing:
        return Sharing(self.quota, tuple(range(len(self._stations))) if stations is None else stations)


def _stop(station: Station, at: float) -> Process[None]:
    yield at
    station.stopped = True
