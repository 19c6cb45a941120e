"""How fast one operation may be called: arithmetic under a clock of the caller's, without chance and without I/O.

Calls are paced by GCRA, the generic cell rate algorithm (ITU-T I.371): one number, the theoretical arrival time of
the next call, says whether a call conforms. Nothing else happens as long as nothing is throttled: the rate is the
grant.

One or two throttles now and then, at about the whole grant, are taken for chance, and cost next to nothing. More
say that somebody else spends from the same quota, or that it is lower than was believed. What this account lets
through for us is then measured, from the calls that were paid and those that were throttled; the rate falls below
it and comes back along a cubic curve (CUBIC, RFC 9438): fast at first, flat where it was last throttled, and steep
beyond, up to the grant. So stations that know nothing of each other share a quota: whoever takes more is throttled
more often, and is cut deeper. Times are reckoned in calls, since a throttle in so many calls is what sharing
costs. ``benchmarks/simulation`` shows what comes of it, and is what the numbers below were chosen with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

__all__ = ["Leave", "Rate"]

BURST_SECONDS = 0.05
"""What may be caught up at once after a late wake-up, in seconds of the rate; one call at the least."""

LATE_SECONDS = 0.02
"""How late a sleeper may wake without costing part of the rate: calls may come this much early, and so make up for
it. Never more than a quarter of the time between two calls."""

CUT = 0.2
"""What a throttle takes from the whole grant; from a smaller rate it takes less, by the cube root of its part of
the grant. CUBIC takes 0.3 (RFC 9438, section 4.6), from windows of any size, where a network's queue has to drain;
a throttled call waits in no queue. That who has more gives up more is what makes shares equal."""

RETURN_CALLS = 400
"""How many calls of one's own, at the whole grant, go by until a rate is again what it was when it was throttled.
At a part of the grant they are fewer, by its square root, so that who has less comes back sooner after fewer
calls. Two throttled calls in a hundred are what sharing may cost: four stations make 200 calls from one throttle
to where the next is to be expected, eight make 140, and throttles come in twos, about."""

MOST_STATIONS = 8
"""How many stations the time to return is reckoned for: it is no longer where a part of the grant is smaller."""

RETURN_SECONDS = 4.0
"""The return takes no less: high quotas would be probed each second."""

CLIMB_SECONDS = 5.0
"""From there a rate climbs as far as from nothing to its grant: the others have ended. RFC 9438 (section 4.1.2)
sets how steep by a constant for windows in segments; this is the same curve, for rates in parts of the grant."""

MEMORY_CALLS, MEMORY_SECONDS = 60.0, 4.0
"""How far back the measurement of what is let through reaches, whichever is longer: the time between two
throttles, about. A server's bucket that was full hides for a while that a rate was too high, and that average does
not."""

BLEND = 0.25
"""Where between the measured rate (0) and the one that was throttled (1) the flat part of the curve lies. What was
measured is from before the climb, and is too low where others have ended meanwhile."""

NEWCOMER_CALLS, NEWCOMER_SECONDS = 60, 1.0
"""A station that is throttled within so many calls, or so many seconds of its grant, has met others at once. What
was let through before came out of the server's bucket and says nothing of its share."""

NEWCOMER_KEEPS_CALLS = 5
"""All that it keeps of that, so that a first throttle of chance does not take too much."""

CHANCE_CUT, CHANCE_CALLS = 0.15, 30
"""A throttle near the whole grant may be chance: a call that came early, by the network or by a busy machine, met
an empty bucket. It takes this part of the grant, for so many calls, which costs about one call."""

CHANCES, CHANCES_CALLS = 2.0, 40
"""So many throttles within so many calls, those of longer ago counted less, are taken for chance; one more is
none. With more, of two stations at 15 a second one could keep far more than its share."""

SETTLING_CALLS = 12
"""Throttles of calls that were paid before, or within so many calls after, the last cut belong to it: they tell
how deep it has to be, and are no reason for another."""

DEEPEST = 0.25
"""What one cut leaves at the least, however many of the calls in flight were throttled."""

FLOOR, FLOOR_RATE = 0.01, 0.1
"""No throttle takes a rate below this part of its grant, nor below this many calls a second: somebody has to find
out that it is over. A quota of 15 that is taken to be 350 (DescribeThing where it was not raised) is well
above."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave to make one call, to be shown when it was throttled.

    Attributes:
        at: When it was given, in seconds.
        calls: How many were given up to then.
        busy: Seconds of use up to then.
    """

    at: float
    calls: int
    busy: float


@dataclass(slots=True)
class Rate:
    """When the next call may be made. Times are seconds on a clock that never goes back.

    Attributes:
        grant: Calls per second that the account grants.
    """

    grant: float
    _arrival: float = field(default=float("-inf"), init=False)
    # The curve: from ``_low`` at ``_cut_at`` to ``_flat`` in ``_return`` seconds, and beyond.
    _cut_at: float = field(default=float("-inf"), init=False)
    _low: float = field(default=0.0, init=False)
    _flat: float = field(default=0.0, init=False)
    _return: float = field(default=0.0, init=False)
    _throttled_at: float = field(default=0.0, init=False)
    # What is let through: calls and seconds of use, in all and, with a memory that fades, of late.
    _calls: int = field(default=0, init=False)
    _busy: float = field(default=0.0, init=False)
    _last: float = field(default=float("-inf"), init=False)
    _memory: float = field(default=0.0, init=False)
    _through: float = field(default=0.0, init=False)
    _span: float = field(default=0.0, init=False)
    _new: bool = field(default=True, init=False)
    _by_chance: bool = field(default=False, init=False)
    _suspicion: float = field(default=0.0, init=False)
    _suspected: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._flat = self._throttled_at = self.grant
        self._remember()

    @property
    def floor(self) -> float:
        """The least rate that throttles leave, in calls per second."""
        return min(self.grant, max(self.grant * FLOOR, FLOOR_RATE))

    def now_at(self, now: float) -> float:
        """Return the rate that holds now, in calls per second."""
        since = now - self._cut_at
        if since < self._return:
            return self._flat - (self._flat - self._low) * (1 - since / self._return) ** 3
        climbed = min((since - self._return) / CLIMB_SECONDS, 1.0)
        return min(self.grant, self._flat + self.grant * climbed**3)

    def delay(self, now: float) -> float:
        """Return the seconds until a call conforms; 0 when it does now."""
        interval = 1 / self.now_at(now)
        early = max(BURST_SECONDS - interval, min(interval / 4, LATE_SECONDS))
        return max(0.0, self._arrival - early - now)

    def take(self, now: float) -> Leave:
        """Count a call that is made now."""
        interval = 1 / self.now_at(now)
        self._arrival = max(self._arrival, now) + interval
        # Time in which nobody wanted to call says nothing of what would be let through.
        used = min(now - self._last, 2 * interval)
        kept = math.exp(-used / self._memory)
        self._through = self._through * kept + 1
        self._span = self._span * kept + self._memory * (1 - kept)
        self._last = now
        self._calls += 1
        self._busy += used
        return Leave(now, self._calls, self._busy)

    def throttled(self, now: float, leave: Leave | None = None) -> None:
        """Slow down: a call that conformed was throttled all the same.

        Args:
            now: When that became known.
            leave: What the call was made with; the last that was given, if not known.
        """
        leave = leave or Leave(now, self._calls, self._busy)
        # Of calls after the one that was throttled nothing is known yet.
        ahead, since = self._calls - leave.calls, self._busy - leave.busy
        again = leave.at - self._cut_at >= SETTLING_CALLS / self._flat
        if again:
            self._throttled_at = self.now_at(leave.at)
        if self._is_chance(leave):
            self._cut_at, self._low, self._flat = now, max(self.floor, self.grant * (1 - CHANCE_CUT)), self.grant
            self._return = CHANCE_CALLS / self.grant
            self._by_chance = True
            return
        if self._by_chance:
            again, self._by_chance = True, False
        if self._new:
            self._new = False
            if self._calls <= max(NEWCOMER_CALLS, NEWCOMER_SECONDS * self.grant):
                self._forget(ahead, since)
        self._through -= 1
        measured = self._measured(ahead, since)
        if again:
            measured += BLEND * (self._throttled_at - measured)
        low = max(self.floor, measured * (1 - CUT * math.cbrt(measured / self.grant)))
        if again:
            self._cut_at = now
            self._flat, self._low = max(measured, low), low
        else:
            self._low = min(self._low, low)
            self._flat = max(min(self._flat, measured), self._low)
        part = max(self._flat, self.grant / MOST_STATIONS)
        self._return = max(RETURN_SECONDS, RETURN_CALLS / math.sqrt(part * self.grant))
        self._remember()

    def _is_chance(self, leave: Leave) -> bool:
        """Whether a throttle may be chance: near the whole grant, and one of few."""
        passed = max(0, leave.calls - self._suspected)
        self._suspicion = self._suspicion * math.exp(-passed / CHANCES_CALLS) + 1
        self._suspected = leave.calls
        near = self.grant * (1 - CHANCE_CUT) * (1 - 1e-9)
        return self._suspicion <= CHANCES and self.now_at(max(leave.at, self._cut_at)) >= near

    def _measured(self, ahead: int, since: float) -> float:
        """Return the calls per second that were let through of late, but for the newest."""
        most, span = self._throttled_at, self._span - since
        through = max(0.0, self._through - ahead) / span if span > 0 else most
        return max(min(through, most), most * DEEPEST)

    def _forget(self, ahead: int, since: float) -> None:
        """Keep a few calls of what was let through before the first throttle."""
        keep, span = NEWCOMER_KEEPS_CALLS / self._throttled_at, self._span - since
        if span > keep:
            self._through = ahead + (self._through - ahead) * keep / span
            self._span = since + keep

    def _remember(self) -> None:
        self._memory = max(MEMORY_SECONDS, MEMORY_CALLS / self._flat)
