"""The rate budgets, on a clock of the tests' own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.aws.limiter import Budget
from pipeline.aws.rate import (
    BURST_SECONDS,
    CHANCE_CUT,
    CLIMB_SECONDS,
    CUT,
    DEEPEST,
    LATE_SECONDS,
    MOST_STATIONS,
    RETURN_CALLS,
    RETURN_SECONDS,
    Rate,
)

if TYPE_CHECKING:
    from pipeline.aws.rate import Leave


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
    made = len(calls_made(Rate(grant), Clock(), 100 / grant))
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
    clock, rate, made = Clock(), Rate(15), 0
    while clock.now < 1200:
        delay = rate.delay(clock.now)
        clock.now += delay + (0.002 if delay else 0.0)
        rate.take(clock.now)
        made += 1
    assert 15 * 200 * 0.999 <= made <= 15 * 200 + 2


def busy(grant: float) -> tuple[Rate, Clock]:
    """Return a rate that has been used to the full for a while, and its clock."""
    rate, clock = Rate(grant), Clock()
    calls_made(rate, clock, max(100 / grant, 2.0))
    return rate, clock


def pay(rate: Rate, clock: Clock, calls: int) -> list[Leave]:
    """Make so many calls as fast as a rate allows, and return their leaves."""
    leaves = []
    for _ in range(calls):
        clock.now += rate.delay(clock.now)
        leaves.append(rate.take(clock.now))
    return leaves


@given(grant=st.floats(1, 1000))
def test_a_throttle_lowers_the_rate_at_once(grant: float) -> None:
    """By a little where it can be chance, and by more than that when others follow."""
    rate, clock = busy(grant)
    first, second, third = pay(rate, clock, 3)
    for leave in (first, second):
        rate.throttled(clock.now, leave)
        assert rate.now_at(clock.now) == pytest.approx((1 - CHANCE_CUT) * grant)
    rate.throttled(clock.now, third)
    assert 0.5 * grant <= rate.now_at(clock.now) < 0.85 * grant


@given(grant=st.floats(1, 1000), calls=st.integers(2, 60), late=st.floats(0.0, 3.0))
def test_calls_in_flight_that_are_throttled_together_are_one_cut(grant: float, calls: int, late: float) -> None:
    """Throttles of calls that were paid before the cut say how deep it is to be, and make no second one."""
    rate, clock = busy(grant)
    leaves = pay(rate, clock, calls)
    clock.now += late
    for leave in leaves:
        rate.throttled(clock.now, leave)
    assert rate.now_at(clock.now) >= grant * DEEPEST * (1 - CUT) * (1 - 1e-9)


def test_calls_throttled_after_a_cut_make_another() -> None:
    """When the rate proves to be too high still, it falls again."""
    rate, clock = busy(60)
    for leave in pay(rate, clock, 3):
        rate.throttled(clock.now, leave)
    clock.now += 1.0
    before = rate.now_at(clock.now)
    rate.throttled(clock.now, *pay(rate, clock, 1))
    assert rate.now_at(clock.now) < 0.95 * before


def test_the_more_calls_are_throttled_the_deeper_is_the_cut() -> None:
    """A rate that is far too high falls to about what is let through, and not by a fifth at a time."""
    found = []
    for every in (20, 4, 2):
        rate, clock = busy(60)
        for _ in range(10):
            for leave in pay(rate, clock, 20)[::every]:
                rate.throttled(clock.now, leave)
        found.append(rate.now_at(clock.now))
    assert found == sorted(found, reverse=True)
    assert found[-1] < 60 / 4


_EVENTS = st.lists(st.tuples(st.floats(0, 5), st.integers(1, 30), st.floats(0, 1)), min_size=1, max_size=40)


@given(grant=st.floats(0.05, 2000), events=_EVENTS, later=st.floats(0, 2))
def test_whatever_is_throttled_a_rate_keeps_between_floor_and_grant(
    grant: float, events: list[tuple[float, int, float]], later: float
) -> None:
    """A rate is never above its grant nor below its floor, rises between throttles, and falls at each or stays."""
    rate, clock = Rate(grant), Clock()
    for pause, calls, part in events:
        clock.now += pause
        leaves = pay(rate, clock, calls)
        before = rate.now_at(clock.now)
        clock.now += later
        after = rate.now_at(clock.now)
        assert before <= after * (1 + 1e-9)
        for leave in leaves[: round(part * calls)]:
            rate.throttled(clock.now, leave)
            assert rate.floor * (1 - 1e-9) <= rate.now_at(clock.now) <= max(after, rate.floor) * (1 + 1e-9)
            after = rate.now_at(clock.now)
        assert after <= grant


@given(grant=st.floats(1, 1000), throttles=st.integers(1, 100))
def test_no_storm_of_throttles_stops_an_operation(grant: float, throttles: int) -> None:
    """However often it was throttled, an operation is called again within ten seconds, or at its grant."""
    rate, clock = Rate(grant), Clock()
    for _ in range(throttles):
        rate.throttled(clock.now, *pay(rate, clock, 1))
    assert rate.delay(clock.now) <= 10.0


@given(grant=st.floats(5, 500))
def test_a_throttle_by_chance_costs_little(grant: float) -> None:
    """Throttles that come one by one and seldom cost a station that is alone less than two calls each."""
    rate, clock = Rate(grant), Clock()
    for _ in range(10):
        rate.throttled(clock.now, *pay(rate, clock, 1))
        pay(rate, clock, 49)
    assert clock.now - 1000 <= (10 * 50 + 20) / grant


@given(grant=st.floats(5, 500))
def test_throttles_that_are_none_of_chance_cost_little(grant: float) -> None:
    """Three in a row cost a station that is alone some forty calls, or a third of a second of its grant."""
    rate, clock = busy(grant)
    for leave in pay(rate, clock, 3):
        rate.throttled(clock.now, leave)
    lost = sum(grant - rate.now_at(clock.now + tenth / 10) for tenth in range(2000)) / 10
    assert lost <= max(40, grant / 3)


@given(grant=st.floats(5, 500), throttles=st.integers(1, 8))
def test_a_rate_climbs_back_to_its_grant_and_no_higher(grant: float, throttles: int) -> None:
    """From wherever throttles took it, a rate is the grant again after the time to return and to climb."""
    rate, clock = busy(grant)
    for _ in range(throttles):
        rate.throttled(clock.now, *pay(rate, clock, 1))
    clock.now += max(RETURN_SECONDS, RETURN_CALLS * MOST_STATIONS**0.5 / grant) + CLIMB_SECONDS
    assert rate.now_at(clock.now) == grant


def test_what_a_station_did_not_want_is_not_taken_for_what_it_did_not_get() -> None:
    """A run that was idle for a while loses no more by a throttle than one that was busy."""
    rate, clock = busy(60)
    clock.now += 300.0
    rate.throttled(clock.now, *pay(rate, clock, 1))
    assert rate.now_at(clock.now) >= 0.7 * 60


def test_a_throttle_is_counted_for_the_call_that_was_throttled() -> None:
    """Calls that were paid before the first of them was throttled make one cut, however late their answers are."""

    async def main() -> None:
        clock = Clock()
        budget = Budget(100, clock, clock.sleep)
        told = anyio.Event()

        async def one() -> None:
            await budget.acquire()
            await told.wait()
            clock.now += 1.0
            budget.throttled()

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(one)
            await anyio.wait_all_tasks_blocked()
            told.set()
        assert budget.throttles == 20
        assert budget.rate >= 100 * DEEPEST * (1 - CUT)

    anyio.run(main)


def test_leave_of_one_budget_is_no_leave_of_another() -> None:
    """A task that called two operations says of the right one when its call was paid."""

    async def main() -> None:
        clock = Clock()
        first, second = (Budget(100, clock, clock.sleep) for _ in range(2))
        await first.acquire()
        await second.acquire()
        first.throttled()
        assert first.rate < 100
        assert second.rate == 100

    anyio.run(main)


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
        assert (budget.calls, budget.waiting) == (1, 0)
        await budget.acquire()
        assert clock.now == pytest.approx(1001, abs=LATE_SECONDS)

    anyio.run(main)
