"""The figures of several runs as those of one, and the place where runs meet."""

from __future__ import annotations

from collections import Counter
from functools import partial

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import gathering
from pipeline.device import Device, State
from pipeline.errors import DeviceError
from pipeline.meeting import Meeting
from pipeline.meter import Limit, Meter
from pipeline.progress import Gauge
from pipeline.stop import Stop, StoppedError

COUNTS = st.fixed_dictionaries({state: st.integers(0, 50) for state in State})


def meter_of(counts: dict[State, int], skipped: int = 0) -> Meter:
    meter = Meter()
    meter.begin(counts, skipped)
    return meter


@given(st.lists(st.tuples(COUNTS, st.integers(0, 3)), min_size=1, max_size=4))
def test_figures_begin_as_the_sum(begun: list[tuple[dict[State, int], int]]) -> None:
    """What a display shows of all runs is what all ledgers together hold."""
    joint = Meter()
    gathering.begin(joint, [meter_of(*each) for each in begun])
    assert joint.total == sum(sum(counts.values()) for counts, _ in begun)
    assert joint.skipped == sum(skipped for _, skipped in begun)
    for state in State:
        above = sum(number for counts, _ in begun for other, number in counts.items() if other >= state)
        assert joint.at_least[state] == above
        assert joint.gained(state) == 0


def test_what_happens_in_one_happens_in_all() -> None:
    """A step, a failure, a device left alone and a note reach the display; a note says where it is from."""
    joint, meters = Meter(), {"a": meter_of({State.LISTED: 2}), "b": meter_of({State.LISTED: 2})}
    heard: list[str] = []

    class Ear:
        def reached(self, device: Device, state: State) -> None:
            heard.append(f"{device.thing_name} {state.name}")

        def failed(self, device: Device, error: DeviceError) -> None:
            heard.append(f"{device.thing_name} {error.code}")

        skipped = failed

        def note(self, message: str) -> None:
            heard.append(message)

    joint.listeners.append(Ear())
    gathering.listen(joint, meters)
    gathering.begin(joint, list(meters.values()))
    one, two = (Device(thing_name=name, common_name=name, line=1) for name in ("one", "two"))
    meters["a"].reached(one, State.PLANNED)
    meters["b"].fail(two, DeviceError(4, "Why", "why"))
    meters["b"].skip(two, DeviceError(1, "There", "there"))
    meters["b"].note("quotas")
    figures = Gauge(joint).read()
    assert (figures.total, figures.stages["things"], figures.failed, figures.skipped) == (4, 1, 1, 1)
    assert heard == ["one PLANNED", "two Why", "two There", "b: quotas"]


@pytest.mark.parametrize(
    ("limits", "ruling"),
    [
        ([None, None], None),
        ([Limit("A", 15.0, 3), None], Limit("A", 15.0, 3)),
        ([Limit("A", 15.0, 3), Limit("A", 10.0, 4)], Limit("A", 25.0, 7)),
        ([Limit("A", 15.0, 3), Limit("B", 10.0, 4)], Limit("B", 10.0, 4)),
        ([Limit("key generation", None, 9), Limit("key generation", None, 9)], Limit("key generation", None, 18)),
        ([Limit("--rate", 5.0, 9), Limit("--rate", 5.0, 8)], Limit("--rate", 5.0, 17)),
        ([Limit("A", 15.0, 6), Limit("key generation", None, 9), Limit("A", 10.0, 6)], Limit("A", 25.0, 12)),
        ([Limit("--rate", 5.0, 6), Limit("A", 15.0, 9), Limit("--rate", 5.0, 6)], Limit("--rate", 5.0, 12)),
    ],
)
def test_the_limit_is_that_of_all(limits: list[Limit | None], ruling: Limit | None) -> None:
    """What waits for one limit is added up before the longest is chosen; so are quotas, and no pace."""
    joint, meters = Meter(), {str(number): Meter() for number in range(len(limits))}
    for meter, limit in zip(meters.values(), limits, strict=True):
        meter.limit = partial(_same, limit)
        meter.throttles = lambda: {"A": 2}
    gathering.listen(joint, meters)
    assert joint.limit() == ruling
    assert joint.throttles() == Counter({"A": 2 * len(limits)})


def _same(limit: Limit | None) -> Limit | None:
    return limit


@pytest.mark.anyio
async def test_nobody_passes_before_all_have_come() -> None:
    """Those who come wait for the last; one that leaves is not waited for, and one that is stopped goes."""
    passed: list[str] = []
    stops = {name: Stop() for name in "abc"}

    def met() -> None:
        passed.append("met")

    meeting = Meeting(3, met)

    async def go(name: str, times: int) -> None:
        try:
            for _ in range(times):
                await meeting.wait(stops[name])
                passed.append(name)
        except StoppedError:
            passed.append(f"{name} stopped")

    async with anyio.create_task_group() as group:
        group.start_soon(go, "a", 3)
        group.start_soon(go, "b", 2)
        await anyio.wait_all_tasks_blocked()
        assert passed == []
        group.start_soon(go, "c", 1)
        await anyio.wait_all_tasks_blocked()
        assert (passed[0], sorted(passed[1:])) == ("met", ["a", "b", "c"])
        meeting.leave()
        await anyio.wait_all_tasks_blocked()
        assert (passed[4], sorted(passed[5:])) == ("met", ["a", "b"])
        stops["a"].request()
    assert passed[7:] == ["a stopped"]
