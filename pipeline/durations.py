"""Durations as people read them."""

from __future__ import annotations

__all__ = ["clock_time"]


def clock_time(seconds: float) -> str:
    """Return a duration as ``M:SS``, or ``H:MM:SS`` from an hour on.

    >>> clock_time(14), clock_time(3753)
    ('0:14', '1:02:33')
    """
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
