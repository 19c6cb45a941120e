"""What an account's calls say: the part of the quota that was used, each station's share, throttles, and when."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.simulation.server import Answer

__all__ = ["Figures", "Sharing", "figures", "seconds_until"]


@dataclass(frozen=True, slots=True)
class Figures:
    """How several stations got on over a time.

    Attributes:
        used: The part of the quota that was used.
        shares: Calls of each that were admitted, as a multiple of its fair share: 1 is fair.
        throttled: The part of all calls that was throttled.
    """

    used: float
    shares: tuple[float, ...]
    throttled: float

    @property
    def least(self) -> float:
        """The share of the station that got least."""
        return min(self.shares)

    @property
    def most(self) -> float:
        """The share of the station that got most."""
        return max(self.shares)


@dataclass(frozen=True, slots=True)
class Sharing:
    """What is looked at.

    Attributes:
        quota: Calls per second that the account grants.
        stations: Who shares it, by number.
    """

    quota: float
    stations: tuple[int, ...]


def figures(answers: Sequence[Answer], sharing: Sharing, begin: float, end: float) -> Figures:
    """Return how stations got on between two instants (seconds).

    Args:
        answers: Calls of one operation, in the order they came.
        sharing: What is looked at; calls of other stations are left out.
        begin: From when.
        end: Up to when, and not longer.
    """
    admitted = dict.fromkeys(sharing.stations, 0)
    throttled = 0
    at = attrgetter("at")
    for answer in answers[bisect_left(answers, begin, key=at) : bisect_left(answers, end, key=at)]:
        if answer.station not in admitted:
            continue
        if answer.admitted:
            admitted[answer.station] += 1
        else:
            throttled += 1
    total = sum(admitted.values())
    granted = sharing.quota * (end - begin)
    shares = tuple(calls * len(admitted) / granted for calls in admitted.values())
    return Figures(total / granted, shares, throttled / max(total + throttled, 1))


def seconds_until(
    answers: Sequence[Answer],
    sharing: Sharing,
    begin: float,
    end: float,
    *,
    least: float,
    window: float,
) -> float | None:
    """Return how long after an instant nobody got less than a part of the fair share any more.

    Args:
        answers: Calls of one operation, in the order they came.
        sharing: What is looked at.
        begin: When something changed, in seconds.
        end: Up to when is looked.
        least: The part of its fair share that each is to get.
        window: Over so many seconds each share is taken.

    Returns:
        Seconds from ``begin`` to the beginning of the first such window; None if there was none.
    """
    step = window / 10
    for number in range(int((end - window - begin) / step) + 1):
        since = begin + number * step
        if figures(answers, sharing, since, since + window).least >= least:
            return since - begin
    return None
