"""How fast a run was, what held it, and where its devices' time went: worked out of the readings in its ledger.

A run may have had several processes, hours apart. Their working times are put one behind the other, so that the
time that nothing ran takes no room, and where one follows another is marked.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.device import State
from pipeline.history import reading_of
from pipeline.published import MOST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.ledger import Reader
    from pipeline.meter import Reading

__all__ = ["ONE_CALL", "Bar", "Pace", "Stage", "pace_of"]

MOST_BARS = 120
"""Stretches of time that a run is cut into at most: as many as a chart can show apart."""

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
        self.done += other.done
        self.issued += other.issued
        self.failed += other.failed
        self.throttles += other.throttles
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


@dataclass(frozen=True, slots=True)
class _Step:
    """What a process did between two readings."""

    begin: float
    seconds: float
    before: Reading | None
    after: Reading
    restarted: bool


def pace_of(reader: Reader) -> Pace:
    """Return how fast a run was, in two passes over the readings, none of which is kept."""
    total = sum(step.seconds for step in _steps(reader))
    width = max(1.0, total / MOST_BARS)
    bars: list[Bar] = []
    reached: dict[str, float] = defaultdict(float)
    spent: dict[str, float] = defaultdict(float)
    ruled: dict[str, float] = defaultdict(float)
    throttles: dict[str, float] = defaultdict(float)
    for step in _steps(reader):
        full = not bars or bars[-1].seconds >= width
        if full or (step.restarted and len(bars) < 2 * MOST_BARS):
            bars.append(Bar(step.begin, restarted=step.restarted and bool(bars)))
        bars[-1].take(_bar_of(step))
        if step.after.limit is not None:
            ruled[step.after.limit.name] += step.seconds
        _gain(reached, step, "reached")
        _gain(spent, step, "spent")
        _gain(throttles, step, "throttles")
    shown = {api: int(number) for api, number in sorted(throttles.items()) if number}
    return Pace(_without_stubs(bars, width), _shares(ruled, total), _stages(reached, spent), shown)


def _steps(reader: Reader) -> Iterable[_Step]:
    begin = 0.0
    for process in reader.processes():
        last, before = 0.0, None
        for sample in reader.samples(process.number):
            reading = reading_of(sample)
            second = _number(sample.second)
            if reading is None or not last < second < MOST:
                continue
            seconds = second - last
            yield _Step(begin, seconds, before, reading, restarted=before is None)
            begin, last, before = begin + seconds, second, reading


def _number(found: object) -> float:
    """Return a number as it is; a ledger that somebody else made may have anything in its columns."""
    return found if isinstance(found, float | int) else 0.0


def _bar_of(step: _Step) -> Bar:
    limit = step.after.limit
    return Bar(
        step.begin,
        step.seconds,
        done=int(_gained(step, "reached").get("DONE", 0)),
        issued=int(_gained(step, "reached").get("ISSUED", 0)),
        failed=max(0, step.after.failed - (step.before.failed if step.before else 0)),
        throttles=int(sum(_gained(step, "throttles").values())),
        limits={limit.name: step.seconds} if limit else {},
        rates={limit.name: limit.per_second} if limit and limit.per_second is not None else {},
    )


def _gained(step: _Step, name: str) -> dict[str, float]:
    """Return by how much each of a reading's counters rose; one that fell was written by nobody."""
    before = getattr(step.before, name, {})
    return {key: max(0, now - before.get(key, 0)) for key, now in getattr(step.after, name).items()}


def _gain(sums: dict[str, float], step: _Step, name: str) -> None:
    for key, gained in _gained(step, name).items():
        sums[key] += gained


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
    longest_first = sorted(ruled.items(), key=lambda item: (-item[1], item[0]))
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
