"""The pace is that of this process over the last ten seconds."""

from __future__ import annotations

import pytest

from pipeline.device import State
from pipeline.durations import clock_time
from pipeline.progress.figures import Gauge
from tests.progress.meters import Clock, device, meter_of


def test_the_pace_counts_this_process_only() -> None:
    """A resumed run shows what was done before in its bars, and not in its pace."""
    meter, clock = meter_of(100, done=60), Clock()
    gauge = Gauge(meter, clock)
    gauge.read()
    clock.now += 4
    for _ in range(10):
        meter.reached(device(), State.DONE)
    figures = gauge.read()
    assert (figures.stages["done"], figures.rate, figures.left) == (70, 2.5, 12.0)


def test_the_pace_is_none_of_what_a_late_ledger_brings() -> None:
    """Devices that turn up as done when the ledger is opened after the display began are no pace."""
    meter, clock = meter_of(0), Clock()
    gauge = Gauge(meter, clock)
    gauge.read()
    clock.now += 5
    meter.begin({State.DONE: 5000, State.LISTED: 1}, skipped=0)
    assert gauge.read().rate == 0


def test_the_pace_forgets_what_is_ten_seconds_old() -> None:
    """A burst counts for ten seconds and no longer, however often the gauge is read."""
    meter, clock = meter_of(100), Clock()
    gauge = Gauge(meter, clock)
    gauge.read()
    for _ in range(40):
        meter.reached(device(), State.DONE)
    rates = []
    for _ in range(48):
        clock.now += 0.25
        rates.append(gauge.read().rate)
    assert rates[39] == 4.0
    assert rates[44:] == [0.0] * 4


def test_no_time_left_is_told_where_nobody_knows_it() -> None:
    """Without a pace, and when nothing remains, there is no time left to tell."""
    meter, clock = meter_of(1), Clock()
    gauge = Gauge(meter, clock)
    assert (gauge.read().rate, gauge.read().left) == (None, None)
    meter.reached(device(), State.DONE)
    clock.now += 2
    assert (gauge.read().rate, gauge.read().left) == (0.5, None)


def test_failed_and_skipped_devices_take_no_time_any_more() -> None:
    """The time left is that of the devices which can still be done."""
    meter, clock = meter_of(10, skipped=2), Clock()
    gauge = Gauge(meter, clock)
    gauge.read()
    meter.failed = 3
    meter.reached(device(), State.DONE)
    clock.now += 1
    assert gauge.read().left == 4.0


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (90_000, "25:00:00")]
)
def test_a_duration_is_told_like_a_clock(seconds: float, shown: str) -> None:
    """Durations have minutes and seconds, and hours where there are some."""
    assert clock_time(seconds) == shown
