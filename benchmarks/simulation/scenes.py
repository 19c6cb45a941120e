"""The cases that are looked at: who shares what, and for how long until it has settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.simulation.account import Account
from pipeline.aws.rate import Rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.simulation.figures import Figures
    from benchmarks.simulation.server import Latency
    from benchmarks.simulation.station import Pace

__all__ = ["Scene", "newcomer", "the_one_left"]


@dataclass(frozen=True, slots=True)
class Scene:
    """Stations that begin at the same instant, and always want more than there is.

    Attributes:
        stations: How many.
        quota: Calls per second of the account.
        burst: What its bucket holds, in seconds of the quota; one call at the least.
        believed: What each station takes its grant to be; the quota, if None.
    """

    stations: int
    quota: float
    burst: float
    believed: float | None = None

    @property
    def bucket(self) -> float:
        """What the server's bucket holds, in calls."""
        return max(1.0, self.quota * self.burst)

    @property
    def seconds(self) -> float:
        """How long it is looked at: a minute and a half, and longer where calls are few."""
        return max(90.0, 5000 / self.quota)

    def account(
        self, seed: int, latency: Latency | None = None, pace: Callable[[float], Pace] | None = None
    ) -> Account:
        """Return the account after all of its time."""
        account = Account(self.quota, self.bucket, seed, latency, self.believed, pace or Rate)
        for _ in range(self.stations):
            account.station()
        account.run(self.seconds)
        return account

    def settled(self, account: Account) -> Figures:
        """Return how stations got on when they had met: without the first third of the time."""
        return account.figures(self.seconds / 3, self.seconds)


def newcomer(old: int, quota: float, burst: float, seed: int) -> float | None:
    """Return how many seconds after another station came each had half of its fair share, for ten seconds.

    Args:
        old: How many have shared the quota for a minute.
        quota: Calls per second.
        burst: What the server's bucket holds, in seconds of the quota.
        seed: Of chance; the newcomer also comes at an instant that follows from it.
    """
    account, at = Account(quota, quota * burst, seed), 60.0 + seed * 0.7
    for _ in range(old):
        account.station()
    account.station(begin=at)
    account.run(at + 100.0)
    return account.seconds_until(at, at + 100.0, least=0.5, window=10.0)


def the_one_left(stations: int, quota: float, burst: float, seed: int) -> float | None:
    """Return how many seconds after all others ended the one that is left has 0.95 of the quota.

    Args:
        stations: How many have shared the quota for a minute.
        quota: Calls per second.
        burst: What the server's bucket holds, in seconds of the quota.
        seed: Of chance; the others also end at an instant that follows from it.
    """
    account, at = Account(quota, quota * burst, seed), 60.0 + seed * 0.7
    account.station()
    for _ in range(stations - 1):
        account.station(end=at)
    account.run(at + 100.0)
    return account.seconds_until(at, at + 100.0, least=0.95, window=2.0, stations=(0,))
