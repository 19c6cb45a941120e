"""The pace of a run as a picture: inline SVG, in a handful of shapes whose looks are the page's style sheet's.

A library would bring fonts, scripts or style attributes, none of which the page's security policy lets through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from pipeline.durations import clock_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.report.pace import Bar, Pace

__all__ = ["chart_of", "ticks"]

WIDTH, HEIGHT = 760, 240
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 14, 44
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
_MOST_TICKS = 8


def ticks(most: float, count: int = 5) -> list[float]:
    """Return round numbers from 0 up to ``most`` or the next one above it, about ``count`` of them.

    >>> ticks(13.2)
    [0.0, 5.0, 10.0, 15.0]
    """
    if most <= 0:
        return [0.0, 1.0]
    rough = most / count
    power = 10.0 ** (len(f"{int(rough)}") - 1) if rough >= 1 else 0.1 ** len(f"{int(1 / rough)}")
    step = next(step * power for step in (1, 2, 5, 10, 20) if step * power >= rough)
    marks = [0.0]
    while marks[-1] < most:
        marks.append(round(len(marks) * step, 10))
    return marks


@dataclass(frozen=True, slots=True)
class _Scale:
    """Seconds and devices per second, in the picture's units."""

    seconds: float
    most: float

    def x(self, second: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * second / self.seconds, 1)

    def y(self, rate: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * rate / self.most, 1)


def chart_of(pace: Pace) -> Markup:
    """Return devices per second over the working time, the limit that ruled, throttles and restarts.

    Empty where there is nothing to draw.
    """
    if not pace.seconds:
        return Markup("")
    # A limit far above what was ever reached would press all bars flat; it is told in words then.
    limits = [bar.allowed for bar in pace.bars if bar.allowed is not None and bar.allowed <= 4 * pace.fastest]
    rates = ticks(max([pace.fastest, *limits]))
    scale = _Scale(pace.seconds, rates[-1])
    parts = [
        *(_line_of_rate(scale, rate) for rate in rates),
        *(_mark_of_time(scale, second) for second in _times(pace.seconds)),
        *(_bar(scale, bar) for bar in pace.bars),
        *(_limit(scale, bar) for bar in pace.bars if bar.allowed is not None and bar.allowed <= rates[-1]),
        *(_restart(scale, bar) for bar in pace.bars if bar.restarted),
        *(_throttles(scale, bar) for bar in pace.bars if bar.throttles),
        Markup('<line class="axis" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(LEFT, WIDTH - RIGHT, y=scale.y(0)),
    ]
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-labelledby="pace-title pace-words">{}</svg>'
    ).format(WIDTH, HEIGHT, Markup("").join(parts))


def _line_of_rate(scale: _Scale, rate: float) -> Markup:
    return Markup(
        '<line class="grid" x1="{}" x2="{}" y1="{y}" y2="{y}"/><text class="tick" x="{}" y="{}">{:g}</text>'
    ).format(LEFT, WIDTH - RIGHT, LEFT - 6, scale.y(rate) + 4, rate, y=scale.y(rate))


def _times(seconds: float) -> Iterator[float]:
    step = next((step for step in _SECONDS if seconds / step <= _MOST_TICKS), seconds / _MOST_TICKS)
    return (number * step for number in range(int(seconds / step) + 1))


def _mark_of_time(scale: _Scale, second: float) -> Markup:
    x, y = scale.x(second), HEIGHT - BOTTOM
    return Markup(
        '<line class="axis" x1="{x}" x2="{x}" y1="{}" y2="{}"/><text class="time" x="{x}" y="{}">{}</text>'
    ).format(y, y + 4, y + 17, clock_time(second), x=x)


def _bar(scale: _Scale, bar: Bar) -> Markup:
    left, right, top = scale.x(bar.begin), scale.x(bar.begin + bar.seconds), scale.y(bar.per_second)
    words = f"{clock_time(bar.begin)}: {bar.per_second:.1f} devices/s" + (
        f", limit {bar.limit}" if bar.limit else ""
    )
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
        TOP, HEIGHT - BOTTOM, "another process went on", x=scale.x(bar.begin)
    )


def _throttles(scale: _Scale, bar: Bar) -> Markup:
    x, y = scale.x(bar.begin + bar.seconds / 2), HEIGHT - BOTTOM + 22
    noun = "throttle" if bar.throttles == 1 else "throttles"
    return Markup('<path class="throttle" d="M{} {}l5 9h-10z"><title>{}</title></path>').format(
        x, y, f"{clock_time(bar.begin)}: {bar.throttles:,} {noun}"
    )
