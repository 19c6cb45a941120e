"""How fast a run was, what held it, and where its devices' time went: worked out of the readings in its ledger.

A run may have had several processes, hours apart. Their working times are put one behind the other, so that the
time that nothing ran takes no room, and where one follows another is marked. Those of several runs that were
merged may have worked at once: what they did at one time stands in one bar.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.device import State
from pipeline.published import bounded
from pipeline.report.steps import steps_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.ledger import Reader
    from pipeline.report.steps import Step

__all__ = ["ONE_CALL", "Bar", "Pace", "Stage", "pace_of"]

MOST_BARS = 120
"""Stretches of time that a run is cut into at most: as many as a chart can show apart."""

MOST_LIMITS = 50
"""Limits that are told; a run has a few, and one that somebody else made may have any number."""

ONE_CALL = frozenset(
    {"DescribeThing", "CreateThing", "CreateCertificateFromCsr", "AttachThingPrincipal", "AttachPolicy", "--rate"}
)
"""What a device needs once, so that calls per second are devices per second."""

STAGES = {
    State.PLANNED: "thing made or found",
    State.KEYED: "key and CSR on disk",
    State.ISSUED: "certificate issued and inspected",
    State.BUNDLED: "bundle on disk",
    State.LINKED: "attached to thing and groups",
    State.DONE: "policy attached",
}


@dataclass(slots=True)
class Bar:
    """A stretch of working time.

    Attributes:
        begin: Seconds of working time of the run before it.
        seconds: How long it is.
        done: Devices that were done in it.
        issued: Certificates that were issued, or found, in it.
        failed: Devices that failed in it.
        throttles: Calls that were throttled in it.
        limits: Seconds that each limit ruled.
        rates: Calls per second that each of them allowed last, where it has a rate.
        restarted: Whether another process began with it.
    """

    begin: float
    seconds: float = 0.0
    done: int = 0
    issued: int = 0
    failed: int = 0
    throttles: int = 0
    limits: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    rates: dict[str, float] = field(default_factory=dict)
    restarted: bool = False

    @property
    def per_second(self) -> float:
        """Devices that were done per second."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def limit(self) -> str:
        """What ruled the longest, or "" where nothing did."""
        return max(self.limits, key=lambda name: self.limits[name], default="")

    @property
    def allowed(self) -> float | None:
        """Devices per second that ``limit`` allowed, where it is one of ``ONE_CALL``."""
        return self.rates.get(self.limit) if self.limit in ONE_CALL else None

    def take(self, other: Bar) -> None:
        """Add the stretch that follows to this one."""
        self.seconds += other.seconds
        self.done = bounded(self.done + other.done)
        self.issued = bounded(self.issued + other.issued)
        self.failed = bounded(self.failed + other.failed)
        self.throttles = bounded(self.throttles + other.throttles)
        self.rates |= other.rates
        for name, seconds in other.limits.items():
            self.limits[name] += seconds


@dataclass(frozen=True, slots=True)
class Stage:
    """The way to one state, of all devices together.

    Attributes:
        state: The state's name.
        label: What it is.
        devices: How many came so far.
        seconds: What they took for it on average, waiting included.
        share: Its part of what all stages took, 0 to 1.
    """

    state: str
    label: str
    devices: int
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a run was.

    Attributes:
        bars: Its working time from the first process to the last, ``MOST_BARS`` at most.
        ruled: The part of the time that each limit ruled, 0 to 1, the longest first; the rest of the time no
            device waited for anything that is counted.
        stages: Where the time of its devices went.
        throttles: How often each operation was throttled, without those that never were.
    """

    bars: Sequence[Bar]
    ruled: Mapping[str, float]
    stages: Sequence[Stage]
    throttles: Mapping[str, int] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Working time in all."""
        return self.bars[-1].begin + self.bars[-1].seconds if self.bars else 0.0

    @property
    def fastest(self) -> float:
        """The most devices per second of any bar."""
        return max((bar.per_second for bar in self.bars), default=0.0)


def pace_of(reader: Reader) -> Pace:
    """Return how fast a run was, in two passes over the readings, none of which is kept."""
    at_once = bool(reader.origins())
    worked = total = 0.0
    for step in steps_of(reader, at_once=at_once):
        worked, total = worked + step.seconds, max(total, step.begin + step.seconds)
    width = max(1.0, total / MOST_BARS)
    bars: list[Bar] = _grid(width, total) if at_once else []
    reached: dict[str, float] = defaultdict(float)
    spent: dict[str, float] = defaultdict(float)
    ruled: dict[str, float] = defaultdict(float)
    throttles: dict[str, float] = defaultdict(float)
    for step in steps_of(reader, at_once=at_once):
        if at_once:
            _put(bars, step, width)
        else:
            _append(bars, step, width)
        if step.after.limit is not None:
            ruled[step.after.limit.name] += step.seconds
        _gain(reached, step, "reached")
        _gain(spent, step, "spent")
        _gain(throttles, step, "throttles")
    shown = {api: int(number) for api, number in sorted(throttles.items()) if number}
    bars = bars if at_once else _without_stubs(bars, width)
    return Pace(bars, _shares(ruled, worked), _stages(reached, spent), shown)


def _append(bars: list[Bar], step: Step, width: float) -> None:
    """Add a step to those before it, in a bar of its own where the last one is full or another process begins."""
    full = not bars or bars[-1].seconds >= width
    if full or (step.restarted and len(bars) < 2 * MOST_BARS):
        bars.append(Bar(step.begin, restarted=step.restarted and bool(bars)))
    bars[-1].take(_bar_of(step))


def _grid(width: float, total: float) -> list[Bar]:
    """Return empty bars that cover the working time of runs that worked at once."""
    return [Bar(number * width, min(width, total - number * width)) for number in range(math.ceil(total / width))]


def _put(bars: list[Bar], step: Step, width: float) -> None:
    """Add what one of several runs did to the bar that its middle is in.

    What one of them was allowed says nothing of all together, so no bar has a rate.
    """
    bar = bars[min(int((step.begin + step.seconds / 2) / width), len(bars) - 1)]
    done = _bar_of(step)
    done.seconds, done.rates = 0.0, {}
    bar.take(done)


def _bar_of(step: Step) -> Bar:
    limit = step.after.limit
    return Bar(
        step.begin,
        step.seconds,
        done=int(step.gained("reached").get("DONE", 0)),
        issued=int(step.gained("reached").get("ISSUED", 0)),
        failed=max(0, step.after.failed - (step.before.failed if step.before else 0)),
        throttles=int(sum(step.gained("throttles").values())),
        limits={limit.name: step.seconds} if limit else {},
        rates={limit.name: limit.per_second} if limit and limit.per_second is not None else {},
    )


def _gain(sums: dict[str, float], step: Step, name: str) -> None:
    for key, gained in step.gained(name).items():
        sums[key] = bounded(sums[key] + gained)


def _without_stubs(bars: Sequence[Bar], width: float) -> list[Bar]:
    """Return the bars with what is left over at a process's end added to the bar before it.

    A process ends some instant after its last full bar. Two devices that are done in a fiftieth of a second would
    stand there as a hundred a second.
    """
    kept: list[Bar] = []
    for bar in bars:
        if kept and not bar.restarted and bar.seconds < width / 2:
            kept[-1].take(bar)
        else:
            kept.append(bar)
    return kept


def _shares(ruled: Mapping[str, float], total: float) -> dict[str, float]:
    longest_first = sorted(ruled.items(), key=lambda item: (-item[1], item[0]))[:MOST_LIMITS]
    return {name: seconds / total for name, seconds in longest_first}


def _stages(reached: Mapping[str, float], spent: Mapping[str, float]) -> list[Stage]:
    total = sum(spent.values())
    return [
        Stage(
            state=state.name,
            label=label,
            devices=int(reached.get(state.name, 0)),
            seconds=spent.get(state.name, 0.0) / max(reached.get(state.name, 0), 1),
            share=spent.get(state.name, 0.0) / total if total else 0.0,
        )
        for state, label in STAGES.items()
    ]
