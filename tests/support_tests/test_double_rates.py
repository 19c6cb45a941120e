"""Failures by rate: seeded, so that each can be played again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.support.awsiot import Drop, Fail, Faults

if TYPE_CHECKING:
    from tests.support.awsiot import Fault

_ISSUE = "CreateCertificateFromCsr"


def _drawn(faults: Faults, calls: list[tuple[str, str]]) -> dict[tuple[str, str, int], Fault | None]:
    seen: Counter[tuple[str, str]] = Counter()
    drawn = {}
    for call in calls:
        seen[call] += 1
        drawn[*call, seen[call]] = faults.choose(*call)
    return drawn


_CALLS = [(_ISSUE, f"device-{number % 500}") for number in range(1000)]


def test_failures_by_rate_are_played_again_in_any_order() -> None:
    """The same seed gives each device the same failures, however the devices' calls interleave."""
    rates = {"throttle": 0.2, "lost": 0.1, "error_500_after": 0.1, "wrong": 0.1}
    first = _drawn(Faults(seed=7, **rates), _CALLS)
    assert _drawn(Faults(seed=7, **rates), _CALLS[::-1]) == first
    assert _drawn(Faults(seed=8, **rates), _CALLS) != first


def test_rates_are_kept_about() -> None:
    """Of a thousand calls about as many fail as the rate says, and none of an operation that is not named."""
    faults = Faults(seed=1, throttle=0.2, lost={_ISSUE: 0.1})
    drawn = Counter(type(fault) for fault in _drawn(faults, _CALLS).values())
    assert 150 < drawn[Fail] < 250
    assert 60 < drawn[Drop] < 140
    others = Faults(seed=1, lost={_ISSUE: 1.0}, wrong=1.0)
    assert others.choose("AttachPolicy", "one") is None
