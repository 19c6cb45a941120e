"""The pace of a run, worked out of readings: of two seconds or of a day, and of readings that nobody took."""

from __future__ import annotations

import json
import math
import sqlite3
import tempfile
import tracemalloc
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.layout import RunFolder
from pipeline.ledger import finished_ledger
from pipeline.report.chart import chart_of
from pipeline.report.pace import MOST_BARS, pace_of
from pipeline.report.steps import steps_of
from tests.report.ledgers import Fate, device, ledger_of
from tests.report.pages import change, process, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.report.pace import Pace
    from tests.report.ledgers import Worked


def pace(root: Path, *processes: Worked) -> Pace:
    with closing(ledger_of(RunFolder(root), [Fate(device("one"))], {}, processes)) as reader:
        return pace_of(reader)


def pace_again(root: Path) -> Pace:
    reader = finished_ledger(RunFolder(root).ledger)
    assert reader is not None
    with closing(reader):
        return pace_of(reader)


def test_a_short_run_has_a_bar_a_second(tmp_path: Path) -> None:
    """Two seconds are two bars, each with what was done in it."""
    found = pace(tmp_path, process((1.0, reading(3)), (2.0, reading(10, failed=1))))
    assert [(bar.begin, bar.seconds, bar.done, bar.failed) for bar in found.bars] == [(0, 1, 3, 0), (1, 1, 7, 1)]
    assert (found.seconds, found.fastest) == (2, 7)


def test_a_run_of_less_than_a_second_has_one_bar(tmp_path: Path) -> None:
    """What was done in a fraction of a second is one bar, with its rate per second."""
    found = pace(tmp_path, process((0.25, reading(5))))
    assert [(bar.seconds, bar.per_second) for bar in found.bars] == [(0.25, 20)]


def test_a_day_has_no_more_bars_than_a_chart_shows(tmp_path: Path) -> None:
    """A run of a day is cut into stretches of the same length, which together have all that was done."""
    samples = [(600.0 * number, reading(700 * number)) for number in range(1, 145)]
    found = pace(tmp_path, process(*samples))
    assert len(found.bars) <= MOST_BARS
    assert sum(bar.done for bar in found.bars) == 700 * 144
    assert {round(bar.per_second, 3) for bar in found.bars} == {round(700 / 600, 3)}
    assert found.seconds == 86400


def test_what_is_left_at_the_end_is_no_bar_of_its_own(tmp_path: Path) -> None:
    """Two devices in the last fiftieth of a second do not stand there as a hundred a second."""
    found = pace(tmp_path, process((1.0, reading(10)), (2.0, reading(20)), (2.02, reading(22))))
    assert [bar.done for bar in found.bars] == [10, 12]
    assert found.fastest < 12
    assert found.seconds == pytest.approx(2.02)


def test_another_process_follows_at_once_and_is_marked(tmp_path: Path) -> None:
    """The time between two processes takes no room, and what the second did counts from nought."""
    found = pace(tmp_path, process((1.0, reading(4))), process((1.0, reading(6))), process((1.0, reading(1))))
    assert [(bar.begin, bar.done, bar.restarted) for bar in found.bars] == [
        (0, 4, False),
        (1, 6, True),
        (2, 1, True),
    ]


def test_a_killed_process_counts_with_what_it_noted(tmp_path: Path) -> None:
    """A process that told nothing at its end still has its bars, throttles included."""
    found = pace(
        tmp_path, process((1.0, reading(4, throttles=2)), killed=True), process((1.0, reading(6, throttles=1)))
    )
    assert sum(bar.done for bar in found.bars) == 10
    assert found.throttles == {"AttachPolicy": 3}


def test_the_limits_that_ruled_have_their_parts_of_the_time(tmp_path: Path) -> None:
    """Each limit has its part of the time that the run worked, the longest first."""
    samples = [
        (1.0, reading(1)),
        (2.0, reading(2, limit="AttachPolicy", rate=15.0)),
        (4.0, reading(3, limit="key generation")),
    ]
    assert pace(tmp_path, process(*samples)).ruled == {"key generation": 0.5, "AttachPolicy": 0.25}


def test_a_bar_has_the_rate_of_the_limit_that_ruled_it(tmp_path: Path) -> None:
    """A bar's rate is that of the limit that ruled the longest in it, and not of the one that ruled last."""
    samples = [
        (119.0, reading(1, limit="CreateThing", rate=100.0)),
        (240.0, reading(2, limit="AttachPolicy", rate=15.0)),
        (240.9, reading(3, limit="AttachPolicy", rate=15.0)),
        (241.0, reading(3, limit="CreateThing", rate=90.0)),
    ]
    *_, bar = pace(tmp_path, process(*samples)).bars
    assert (bar.limit, bar.allowed) == ("AttachPolicy", 15.0)


def test_a_limit_on_something_else_than_devices_is_no_line(tmp_path: Path) -> None:
    """A device may be in several groups, so calls per second of that operation are no devices per second."""
    [bar] = pace(tmp_path, process((1.0, reading(1, limit="AddThingToThingGroup", rate=60.0)))).bars
    assert (bar.limit, bar.allowed) == ("AddThingToThingGroup", None)


def test_stages_have_their_parts_of_the_time(tmp_path: Path) -> None:
    """Each stage has seconds for a device, and its part of what all of them took."""
    found = pace(tmp_path, process((1.0, reading(4, spent=2.0))))
    assert {(stage.devices, stage.seconds, round(stage.share, 4)) for stage in found.stages} == {
        (4, 0.5, round(1 / 6, 4))
    }


def test_a_counter_that_falls_counts_for_nothing(tmp_path: Path) -> None:
    """Readings that go backwards, which no thingmill writes, give no bar below nought."""
    found = pace(
        tmp_path,
        process(
            (1.0, reading(9, failed=3, throttles=4, spent=3.0)), (2.0, reading(2)), (3.0, reading(3, failed=1))
        ),
    )
    assert [(bar.done, bar.failed, bar.throttles) for bar in found.bars] == [(9, 3, 4), (0, 0, 0), (1, 1, 0)]
    assert all(stage.seconds >= 0 and stage.share >= 0 for stage in found.stages)


def test_times_that_are_none_count_for_nothing(tmp_path: Path) -> None:
    """In a ledger that somebody else made, seconds may be infinite, before its beginning or past all clocks."""
    pace(tmp_path, process((1.0, reading(1))))
    good = [(2.0, _text(2)), (3.0, _text(5))]
    bad = [(second, _text(7)) for second in (math.inf, -math.inf, -5, 1e300)]
    change(
        tmp_path,
        ("DELETE FROM samples", [()]),
        ("INSERT INTO samples VALUES (1, ?, ?)", [*bad, *good]),
    )
    assert [(bar.begin, bar.done) for bar in pace_again(tmp_path).bars] == [(0, 2), (2, 3)]


def _text(done: int) -> str:
    fields = {"reached": {"DONE": done}, "spent": {}, "failed": 0, "skipped": 0, "throttles": {}, "limit": None}
    return json.dumps(fields)


NUMBERS: st.SearchStrategy[object] = st.one_of(
    st.integers(-3, 50),
    st.sampled_from(
        [0.5, -1e9, 1e11, 9.99e11, 1e12, 1e300, math.inf, -math.inf, math.nan, True, None, "7", [], {}]
    ),
)
READINGS = st.fixed_dictionaries(
    {
        "reached": st.dictionaries(st.sampled_from(["DONE", "ISSUED", "KEYED", "else"]), NUMBERS),
        "spent": st.dictionaries(st.sampled_from(["DONE", "ISSUED", "KEYED"]), NUMBERS),
        "failed": NUMBERS,
        "skipped": NUMBERS,
        "throttles": st.dictionaries(st.sampled_from(["AttachPolicy", "a"]), NUMBERS),
        "limit": st.none()
        | st.fixed_dictionaries(
            {"name": st.sampled_from(["CreateThing", "b"]), "per_second": NUMBERS, "waiting": NUMBERS}
        ),
    }
)
SECONDS = st.floats(allow_nan=False) | st.sampled_from([1e-9, 0.5, 1.0, 9.9e11]) | st.integers(0, 200)


@pytest.fixture(scope="module")
def ledger() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        pace(Path(folder), process((1.0, reading(1))), process())
        yield Path(folder)


@settings(max_examples=60)
@given(samples=st.lists(st.tuples(st.sampled_from([1, 2]), SECONDS, READINGS), max_size=12))
def test_no_reading_makes_a_pace_that_cannot_be_drawn(
    ledger: Path, samples: list[tuple[int, float, object]]
) -> None:
    """Whatever a ledger's readings say, the pace has no number below nought and none without end, and is drawn."""
    with closing(sqlite3.connect(RunFolder(ledger).ledger)) as connection, connection:
        connection.execute("DELETE FROM samples")
        connection.executemany(
            "INSERT OR REPLACE INTO samples VALUES (?, ?, ?)",
            [(number, second, json.dumps(each)) for number, second, each in samples],
        )
    found = pace_again(ledger)
    numbers = [found.seconds, found.fastest, *found.ruled.values(), *found.throttles.values()]
    numbers += [number for stage in found.stages for number in (stage.devices, stage.seconds, stage.share)]
    numbers += [
        number for bar in found.bars for number in (bar.seconds, bar.done, bar.issued, bar.failed, bar.throttles)
    ]
    assert all(0 <= number < math.inf for number in numbers)
    assert sum(found.ruled.values()) <= 1 + 1e-6
    picture = chart_of(found)
    assert 'height="-' not in picture
    assert 'width="-' not in picture
    assert not {"nan", "inf"} & set(picture.replace('"', " ").split())


def test_runs_side_by_side_take_no_more_memory_than_a_few_readings_each(tmp_path: Path) -> None:
    """However long each of many runs was, of what it noted a few readings are held at a time, and all are told."""
    number, seconds = 40, 256
    ledger_of(RunFolder(tmp_path), [Fate(device("one"))]).close()
    text = json.dumps(asdict(reading(3, limit="CreateCertificateFromCsr", rate=15.0)))
    processes = [(process, f"2026-01-02T03:{process:02}:05Z") for process in range(1, number + 1)]
    samples = [(process, float(second), text) for process, _ in processes for second in range(1, seconds + 1)]
    change(
        tmp_path,
        ("INSERT INTO processes (process, started, about) VALUES (?, ?, '{}')", processes),
        ("INSERT INTO samples VALUES (?, ?, ?)", samples),
    )
    ledger = finished_ledger(RunFolder(tmp_path).ledger)
    assert ledger is not None
    with closing(ledger):
        steps = iter(steps_of(ledger, at_once=True))
        tracemalloc.start()
        next(steps)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < number * seconds * len(text) / 4
        assert 1 + sum(1 for _ in steps) == number * seconds
