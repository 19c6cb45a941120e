"""The picture of the pace: round numbers beside it, nothing outside of it, and every mark in words too."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.chart import HEIGHT, WIDTH, chart_of, limits_drawn, share_bar, shown_rate, ticks
from pipeline.report.pace import Bar, Pace

if TYPE_CHECKING:
    from collections.abc import Sequence


def pace(bars: Sequence[Bar]) -> Pace:
    return Pace(bars, {}, ())


def bars(number: int, seconds: float, done: int = 10, **more: object) -> list[Bar]:
    return [Bar(each * seconds, seconds, done, **more) for each in range(number)]  # type: ignore[arg-type]


def numbers(picture: str, name: str) -> list[float]:
    return [float(found) for found in re.findall(rf' {name}="([^"]+)"', picture)]


def limited(rate: float, name: str = "AttachPolicy", done: int = 10) -> Bar:
    return Bar(0.0, 1.0, done, limits={name: 1.0}, rates={name: rate})


@given(st.floats(1e-9, 1e15))
def test_ticks_are_round_and_few(most: float) -> None:
    """They begin at nought, reach what they are for and not twice as far, by steps of 1, 2 or 5."""
    marks = ticks(most)
    assert marks[0] == 0
    assert most * (1 - 1e-6) <= marks[-1] < 2 * most
    assert 3 <= len(marks) <= 6
    digits = f"{marks[1]:.6e}".split("e")[0]
    assert float(digits) in (1, 2, 5)


@pytest.mark.parametrize("most", [0.0, -1.0, 1e-300, math.inf, math.nan])
def test_there_are_ticks_where_nothing_was_done(most: float) -> None:
    """What no scale can be made for gets one from 0 to 1."""
    assert ticks(most) == [0.0, 1.0]


def test_nothing_is_drawn_of_a_run_that_never_worked() -> None:
    """No bars give no picture at all, and no empty frame."""
    assert chart_of(pace([])) == ""


@pytest.mark.parametrize(
    ("number", "seconds", "last"),
    [(1, 0.3, "0:00"), (2, 1.0, "0:02"), (120, 720.0, "24:00:00"), (120, 7200.0, "240:00:00")],
    ids=["an instant", "two seconds", "a day", "ten days"],
)
def test_all_of_it_is_inside(number: int, seconds: float, last: str) -> None:
    """From an instant to ten days, all is drawn inside, and the last mark of time says when it ended."""
    picture = chart_of(pace(bars(number, seconds)))
    labels = re.findall(r'<text class="time" x="([^"]+)"[^>]*>([^<]+)<', picture)
    assert 1 <= len(labels) <= 10
    assert labels[-1][1] == last
    # A digit is some seven units wide at this size, and labels stand over the middle.
    assert all(3.5 * len(text) <= float(x) <= WIDTH - 3.5 * len(text) for x, text in labels)
    rects = re.findall(r'<rect class="bar" x="([^"]+)" y="[^"]+" width="([^"]+)"', picture)
    assert all(0 <= float(left) <= float(left) + float(width) <= WIDTH for left, width in rects)
    assert all(0 <= y <= HEIGHT for y in numbers(picture, "y"))
    assert len(rects) == number


def test_a_bar_says_in_words_what_it_shows() -> None:
    """Whoever points at a bar reads its time, its rate and its limit."""
    assert "<title>0:00: 10.0 devices/s, limit AttachPolicy 15.0/s</title>" in chart_of(pace([limited(15.0)]))


def test_a_limit_that_is_near_is_a_line() -> None:
    """The limit that ruled stands above the bar that it held."""
    picture = chart_of(pace([limited(15.0)]))
    [line] = re.findall(r'<line class="limit" [^>]*y1="([^"]+)"', picture)
    [top] = re.findall(r'<rect class="bar" x="[^"]+" y="([^"]+)"', picture)
    assert float(line) < float(top)
    assert limits_drawn(pace([limited(15.0)]))


def test_a_limit_far_above_does_not_press_the_bars_flat() -> None:
    """A limit of many times the pace is left to words: the bars keep the room that they need."""
    far = pace([limited(1000.0)])
    picture = chart_of(far)
    assert 'class="limit"' not in picture
    assert "limit AttachPolicy 1,000.0/s" in picture
    assert limits_drawn(far) == []
    assert [float(text) for text in re.findall(r'class="tick"[^>]*>([^<]+)<', picture)][-1] == 10


def test_restarts_and_throttles_have_marks_with_words() -> None:
    """Where another process went on there is a line, below throttled calls a triangle, and both have words."""
    picture = chart_of(
        pace([Bar(0.0, 1.0, 5, throttles=1), Bar(1.0, 1.0, 5, restarted=True, throttles=1200), Bar(2.0, 1.0, 5)])
    )
    assert picture.count('class="restart"') == picture.count("another process went on") == 1
    assert re.findall(r"<title>([^<]*throttle[^<]*)</title>", picture) == [
        "0:00: 1 throttle",
        "0:01: 1,200 throttles",
    ]


def test_a_limit_is_text_and_no_markup() -> None:
    """A limit's name comes from a ledger that somebody may have changed."""
    picture = chart_of(pace([limited(15.0, "</title><script>alert(1)</script>")]))
    assert "<script" not in picture
    assert "&lt;script&gt;" in picture


@given(st.floats(0, 1e12))
def test_no_rate_that_is_above_nought_is_shown_as_nought(rate: float) -> None:
    """A device an hour is slow, and not nothing."""
    assert (float(shown_rate(rate).replace(",", "")) == 0) == (rate == 0)


@pytest.mark.parametrize(
    ("share", "width"), [(-1.0, "0.0"), (0.0, "0.0"), (0.493, "49.3"), (1.0, "100.0"), (7.0, "100.0")]
)
def test_a_share_is_a_part_of_its_bar(share: float, width: str) -> None:
    """A part of a whole never leaves its bar."""
    assert f'<rect class="bar" width="{width}" ' in share_bar(share)
