"""What is promised to programs that read ``summary.json`` and what ``--json`` prints (``docs/json.md``)."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["MOST", "VERSION", "bounded", "number"]

VERSION = 1
"""Of ``docs/summary.schema.json`` and ``docs/events.schema.json`` alike.

New keys, new events and new codes do not change it. It rises when a key goes away, or comes to mean or hold
something else.
"""

MOST = 2**53
"""Below it every reader of JSON has all integers (RFC 7493, section 2.2)."""


N = TypeVar("N", int, float)


def bounded(sum_of_numbers: N) -> N:
    """Return a sum of such numbers, or the largest of them where it is larger."""
    return min(sum_of_numbers, MOST - 1)


def number(found: float) -> float:
    """Return a number that a ledger holds, as it is, if JSON has it and every reader can take it.

    Raises:
        TypeError: It is no number.
        ValueError: It is below 0, too large, infinite, or none.
    """
    if not 0 <= found < MOST:
        raise ValueError
    return found
