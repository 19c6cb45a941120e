"""Token buckets, one an operation: what is over the rate gets ThrottlingException. Off until asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Throttle"]


@dataclass(slots=True)
class _Bucket:
    rate: float
    burst: float
    tokens: float
    filled: float


class Throttle:
    """The limits of an account.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def limit(self, operation: str, rate: float, burst: float | None = None) -> None:
        """Admit ``rate`` calls of an operation a second, and ``burst`` at once (``rate``, if not given)."""
        size = max(rate, 1.0) if burst is None else burst
        self._buckets[operation] = _Bucket(rate, size, size, self._clock())

    def lift(self, operation: str) -> None:
        """Admit every call of an operation again."""
        self._buckets.pop(operation, None)

    def admits(self, operation: str) -> bool:
        """Take a token for one call, and say whether there was one."""
        bucket = self._buckets.get(operation)
        if bucket is None:
            return True
        now = self._clock()
        bucket.tokens = min(bucket.burst, bucket.tokens + (now - bucket.filled) * bucket.rate)
        bucket.filled = now
        if bucket.tokens < 1.0:
            return False
        bucket.tokens -= 1.0
        return True
