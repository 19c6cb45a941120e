"""The rate budgets, on a clock of the tests' own."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.aws.limiter import BURST_SECONDS, CLIMB_SECONDS, FLOOR, LATE_SECONDS, Budget, Rate


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await anyio.lowlevel.checkpoint()


def calls_made(rate: Rate, clock: Clock, seconds: float) -> list[float]:
    """Make calls as fast as a rate allows, and return when each was made."""
    end = clock.now + seconds
    made: list[float] = []
    while True:
        clock.now += rate.delay(clock.now)
        if clock.now >= end:
            return made
        rate.take(clock.now)
        made.append(clock.now)


@given(grant=st.floats(0.5, 5000))
def test_a_grant_is_used_to_the_full(grant: float) -> None:
    """Whoever asks all the time makes as many calls as the grant allows, and at most a burst more."""
    seconds = 100 / grant
    made = len(calls_made(Rate(grant), Clock(), seconds))
    assert 99 <= made <= 101 + max(1.0, grant * BURST_SECONDS)


@given(grant=st.floats(0.5, 2000), pauses=st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_no_second_holds_more_than_the_grant_and_a_burst(grant: float, pauses: list[float]) -> None:
    """However calls arrive, any window of one second holds at most the grant and one burst."""
    clock, rate = Clock(), Rate(grant)
    made: list[float] = []
    for pause in pauses:
        clock.now += pause
        for _ in range(5):
            clock.now += rate.delay(clock.now)
            rate.take(clock.now)
            made.append(clock.now)
    most = grant + max(1.0, grant * BURST_SECONDS) + 1e-6
    for first in range(len(made)):
        assert sum(1 for at in made[first:] if at < made[first] + 1) <= most + 1


def test_waking_late_costs_nothing_of_the_grant() -> None:
    """A sleeper that wakes some milliseconds late each time still makes as many calls as the grant allows."""
    clock, rate = Clock(), Rate(15)
    made = 0
    while clock.now < 1200:
        delay = rate.delay(clock.now)
        clock.now += delay + (0.002 if delay else 0.0)
        rate.take(clock.now)
        made += 1
    assert 15 * 200 * 0.999 <= made <= 15 * 200 + 2


def test_a_throttle_lowers_the_rate_at_once_and_only_once_a_window() -> None:
    """Calls that were throttled together count as one cut."""
    rate = Rate(100)
    rate.throttled(10.0)
    after_one = rate.now_at(10.0)
    rate.throttled(10.5)
    assert after_one == pytest.approx(80)
    assert rate.now_at(10.5) >= after_one


@given(throttles=st.integers(1, 200))
def test_no_storm_of_throttles_stops_an_operation(throttles: int) -> None:
    """A rate never falls below a small part of its grant, so it finds out when the storm is over."""
    rate = Rate(100)
    for second in range(throttles):
        rate.throttled(float(second * 2))
    assert rate.now_at(throttles * 2.0) >= 100 * FLOOR


def test_a_rate_climbs_back_to_its_grant_and_no_higher() -> None:
    """After a throttle the rate rises in a straight line until it is the grant again."""
    rate = Rate(60)
    rate.throttled(0.0)
    start = rate.now_at(0.0)
    assert rate.now_at(3.0) == pytest.approx(start + 60 * 3 / CLIMB_SECONDS)
    assert rate.now_at(1000.0) == 60


def test_calls_are_served_first_come_first_served() -> None:
    """Nobody who asks later is served earlier."""
    served: list[int] = []

    async def main() -> None:
        clock = Clock()
        budget = Budget(10, clock, clock.sleep)

        async def one(number: int) -> None:
            await budget.acquire()
            served.append(number)

        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(one, number)
        assert budget.calls == 50
        assert clock.now == pytest.approx(1000 + 49 / 10, abs=BURST_SECONDS)

    anyio.run(main)
    assert served == sorted(served)


def test_a_wait_that_is_cancelled_costs_nothing() -> None:
    """A device that is told to stop while it waits takes no call away from the others."""

    async def main() -> None:
        clock = Clock()
        budget = Budget(1, clock, clock.sleep)
        await budget.acquire()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await budget.acquire()
        assert budget.calls == 1
        assert budget.waiting == 0
        await budget.acquire()
        assert clock.now == pytest.approx(1001, abs=LATE_SECONDS)

    anyio.run(main)
