"""The other side: what a careful client does that has read the textbook and nothing else."""

from __future__ import annotations

from pipeline.aws.rate import BURST_SECONDS, LATE_SECONDS, Leave

__all__ = ["StraightLine"]


class StraightLine:
    """AIMD (Chiu and Jain, 1989): a throttle takes a fifth, once a second at the most; then it climbs in a line.

    Args:
        grant: Calls per second; in 15 seconds the line climbs from nothing to it. No throttle takes a rate below a
            twentieth of it.
    """

    def __init__(self, grant: float) -> None:
        self._grant = grant
        self._arrival = self._cut_at = float("-inf")
        self._cut_to = 0.0

    def now_at(self, now: float) -> float:
        """Return the rate that holds now, in calls per second."""
        return min(self._grant, self._cut_to + self._grant * (now - self._cut_at) / 15.0)

    def delay(self, now: float) -> float:
        """Return the seconds until a call conforms."""
        interval = 1 / self.now_at(now)
        early = max(BURST_SECONDS - interval, min(interval / 4, LATE_SECONDS))
        return max(0.0, self._arrival - early - now)

    def take(self, now: float) -> Leave:
        """Count a call that is made now."""
        self._arrival = max(self._arrival, now) + 1 / self.now_at(now)
        return Leave(now, 0, 0.0)

    def throttled(self, now: float, leave: Leave | None = None) -> None:
        """Slow down."""
        del leave
        if now - self._cut_at >= 1.0:
            self._cut_to = max(self.now_at(now) * 0.8, self._grant / 20)
            self._cut_at = now
