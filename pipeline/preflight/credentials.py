"""Credentials against the planned time: whether they will last for the whole run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.plan import as_time
from pipeline.preflight.finding import Finding

if TYPE_CHECKING:
    from datetime import datetime, timedelta

__all__ = ["outlast"]


def outlast(end: datetime | None, now: datetime, takes: timedelta, *, is_alone: bool = True) -> Finding:
    """Say whether credentials last as long as the run.

    Credentials that have ended already were refused before the first call (``aws.expiry``).

    Args:
        end: When they end for good, or None.
        now: The time by AWS's clock, in UTC.
        takes: About how long the run takes.
        is_alone: Whether no other run of this process has its keys made, or its pace, beside it.
    """
    if end is None:
        return Finding("credentials", "nothing says that they end; those that can be renewed are")
    length = f"the run takes about {as_time(takes.total_seconds())}{'' if is_alone else ' beside the others'}"
    if now + takes < end:
        return Finding("credentials", f"they end at {_time(end)}; {length}")
    return Finding(
        "credentials",
        f"they end at {_time(end)} and nobody renews them, but {length}, until about "
        f"{_time(now + takes)}; when they end the run stops, and the same command with new "
        "ones goes on",
        worrying=True,
    )


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
