"""The pace of a run as a picture: inline SVG, in a handful of shapes whose looks are the page's style sheet's.

A library would bring fonts, scripts or style attributes, none of which the page's security policy lets through.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from pipeline.counting import counted
from pipeline.durations import clock_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.report.pace import Bar, Pace

__all__ = ["chart_of", "limits_drawn", "share_bar", "shown_rate", "ticks"]

WIDTH, HEIGHT = 920, 270
LEFT, RIGHT, TOP, BOTTOM = 56, 34, 24, 50
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
_MOST_TICKS = 8
_NEAR = 4
"""A limit above so many times the fastest pace would press all bars flat, and is told in words."""


def ticks(most: float, count: int = 5) -> list[float]:
    """Return round numbers from 0 up to ``most`` or the next one above it, ``count`` + 1 of them or fewer.

    >>> ticks(13.2)
    [0.0, 5.0, 10.0, 15.0]
    """
    if not 1e-12 <= most < math.inf:
        return [0.0, 1.0]
    rough = most / count
    power = 10.0 ** math.floor(math.log10(rough))
    # A billionth less: ten times the power may come out a hair below what it was worked out from.
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))
    return [step * number for number in range(math.ceil(most / step * (1 - 1e-9)) + 1)]


def shown_rate(rate: float) -> str:
    """Return a rate for people, to two digits where it is below 1.

    >>> shown_rate(24.71), shown_rate(0.01234), shown_rate(1234.5), shown_rate(0)
    ('24.7', '0.012', '1,234.5', '0.0')
    """
    return f"{rate:.2g}" if 0 < rate < 0.995 else f"{rate:,.1f}"


@dataclass(frozen=True, slots=True)
class _Scale:
    """Seconds and devices per second, in the picture's units."""

    seconds: float
    most: float

    def x(self, second: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * second / self.seconds, 1)

    def y(self, rate: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * rate / self.most, 1)


def limits_drawn(pace: Pace) -> list[Bar]:
    """Return the bars whose limit is near enough to be drawn."""
    return [bar for bar in pace.bars if bar.allowed is not None and bar.allowed <= _NEAR * pace.fastest]


def chart_of(pace: Pace) -> Markup:
    """Return devices per second over the working time, the limit that ruled, throttles and restarts.

    Empty where there is nothing to draw.
    """
    if not pace.seconds:
        return Markup("")
    limited = limits_drawn(pace)
    rates = ticks(max([pace.fastest, *(bar.allowed or 0.0 for bar in limited)]))
    scale = _Scale(pace.seconds, rates[-1])
    parts = [
        *(_line_of_rate(scale, rate) for rate in rates),
        *(_mark_of_time(scale, second) for second in _times(pace.seconds)),
        *(_bar(scale, bar) for bar in pace.bars),
        *(_limit(scale, bar) for bar in limited),
        *(_restart(scale, bar) for bar in pace.bars if bar.restarted),
        *(_throttles(scale, bar) for bar in pace.bars if bar.throttles),
        Markup('<line class="axis" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(LEFT, WIDTH - RIGHT, y=scale.y(0)),
    ]
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-labelledby="pace-title pace-words">{}</svg>'
    ).format(WIDTH, HEIGHT, Markup("").join(parts))


def share_bar(share: float) -> Markup:
    """Return a part of a whole, 0 to 1, as a bar; whoever shows it writes the number beside it."""
    width = round(100 * min(max(share, 0.0), 1.0), 1)
    return Markup(
        '<svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="all" width="100" height="10"/><rect class="bar" width="{}" height="10"/></svg>'
    ).format(width)


def _line_of_rate(scale: _Scale, rate: float) -> Markup:
    return Markup(
        '<line class="grid" x1="{}" x2="{}" y1="{y}" y2="{y}"/><text class="tick" x="{}" y="{}">{:g}</text>'
    ).format(LEFT, WIDTH - RIGHT, LEFT - 7, scale.y(rate) + 4, rate, y=scale.y(rate))


def _times(seconds: float) -> Iterator[float]:
    step = next((step for step in _SECONDS if seconds / step <= _MOST_TICKS), seconds / _MOST_TICKS)
    return (number * step for number in range(int(seconds / step) + 1))


def _mark_of_time(scale: _Scale, second: float) -> Markup:
    x, y = scale.x(second), HEIGHT - BOTTOM
    return Markup(
        '<line class="axis" x1="{x}" x2="{x}" y1="{}" y2="{}"/><text class="time" x="{x}" y="{}">{}</text>'
    ).format(y, y + 4, y + 18, clock_time(second), x=x)


def _bar(scale: _Scale, bar: Bar) -> Markup:
    left, right, top = scale.x(bar.begin), scale.x(bar.begin + bar.seconds), scale.y(bar.per_second)
    words = f"{clock_time(bar.begin)}: {shown_rate(bar.per_second)} devices/s"
    if bar.limit:
        words += f", limit {bar.limit}" + (f" {shown_rate(bar.allowed)}/s" if bar.allowed is not None else "")
    return Markup('<rect class="bar" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>').format(
        left, top, round(max(right - left - 0.5, 0.5), 1), round(scale.y(0) - top, 1), words
    )


def _limit(scale: _Scale, bar: Bar) -> Markup:
    y = scale.y(bar.allowed or 0.0)
    return Markup('<line class="limit" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(
        scale.x(bar.begin), scale.x(bar.begin + bar.seconds), y=y
    )


def _restart(scale: _Scale, bar: Bar) -> Markup:
    return Markup('<line class="restart" x1="{x}" x2="{x}" y1="{}" y2="{}"><title>{}</title></line>').format(
        TOP - 12, HEIGHT - BOTTOM, "another process went on", x=scale.x(bar.begin)
    )


def _throttles(scale: _Scale, bar: Bar) -> Markup:
    x, y = scale.x(bar.begin + bar.seconds / 2), HEIGHT - BOTTOM + 26
    return Markup('<path class="throttle" d="M{} {}l5 9h-10z"><title>{}</title></path>').format(
        x, y, f"{clock_time(bar.begin)}: {counted(bar.throttles, 'throttle')}"
    )
