"""The token bucket, on a clock that the test turns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.awsiot.throttle import Throttle

_STEPS = st.lists(st.floats(min_value=0.0, max_value=2.0), min_size=1, max_size=100)


@given(_STEPS, st.floats(min_value=0.5, max_value=50.0), st.integers(min_value=1, max_value=20))
def test_no_more_is_admitted_than_burst_and_rate_allow(steps: list[float], rate: float, burst: int) -> None:
    """In any time no more calls are admitted than the burst and the rate over that time."""
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    throttle.limit("AttachPolicy", rate, burst)
    admitted = 0
    for step in steps:
        now[0] += step
        admitted += throttle.admits("AttachPolicy")
    assert admitted <= burst + rate * now[0] + 1e-6


def test_tokens_come_back_at_the_rate() -> None:
    """An empty bucket of ten a second admits the next call a tenth of a second later, and not before."""
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    throttle.limit("AttachPolicy", rate=10.0, burst=1.0)
    answers = []
    for moment in (0.0, 0.09, 0.1, 0.11, 0.21):
        now[0] = moment
        answers.append(throttle.admits("AttachPolicy"))
    assert answers == [True, False, True, False, True]
    assert throttle.admits("DetachPolicy")
