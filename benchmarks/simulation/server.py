"""The account's side: a token bucket for each operation, behind a network that takes time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tests.support.awsiot.throttle import Throttle

if TYPE_CHECKING:
    import random

    from benchmarks.simulation.kernel import Kernel, Process

__all__ = ["Answer", "Latency", "Server"]


class Answer(NamedTuple):
    """One call as the server saw it: when it came (seconds), whose it was, and whether it was admitted."""

    at: float
    station: int
    api: str
    admitted: bool


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a call is on its way, there and back: log-normal, as waits on a network are, about.

    Attributes:
        median: Seconds.
        spread: The standard deviation of its logarithm; 0 for a wait that is always the same.
    """

    median: float = 0.08
    spread: float = 0.3

    def one_way(self, source: random.Random) -> float:
        """Return the seconds of one way."""
        return self.median / 2 * (math.exp(source.gauss(0.0, self.spread)) if self.spread else 1.0)


class Server:
    """Admits calls as its buckets allow, which are those of the double of AWS IoT.

    Args:
        kernel: The clock.
        latency: How long calls are on their way.
        source: What chance is drawn from.

    Attributes:
        throttle: The buckets; an operation without one admits every call.
        answers: Every call that came, in the order they came.
    """

    def __init__(self, kernel: Kernel, latency: Latency, source: random.Random) -> None:
        self.throttle = Throttle(lambda: kernel.now)
        self.answers: list[Answer] = []
        self._kernel = kernel
        self._latency = latency
        self._source = source

    def call(self, station: int, api: str) -> Process[bool]:
        """Make one call, and return whether it was admitted."""
        yield self._latency.one_way(self._source)
        admitted = self.throttle.admits(api)
        self.answers.append(Answer(self._kernel.now, station, api, admitted))
        yield self._latency.one_way(self._source)
        return admitted
