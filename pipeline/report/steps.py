"""What the processes of a run did between one reading and the next, on one axis of working time."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.history import reading_of
from pipeline.published import MOST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.ledger import Reader, Sample
    from pipeline.meter import Reading

__all__ = ["Step", "steps_of"]

_PAGE = 8
"""Readings of a process that are held where those of thousands of processes are read side by side."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a process did between two readings.

    Attributes:
        begin: Seconds of working time of the run before it.
        seconds: How long it took.
        before: The reading at its begin, or None where the process began with it.
        after: The reading at its end.
        restarted: Whether the process began with it.
    """

    begin: float
    seconds: float
    before: Reading | None
    after: Reading
    restarted: bool

    def gained(self, name: str) -> dict[str, float]:
        """Return by how much each counter of a kind rose; one that fell was written by nobody."""
        before = getattr(self.before, name, {})
        return {key: max(0, now - before.get(key, 0)) for key, now in getattr(self.after, name).items()}


def steps_of(reader: Reader, *, at_once: bool) -> Iterable[Step]:
    """Yield the steps of all processes by when they began.

    Args:
        reader: The ledger.
        at_once: Whether processes may have worked at once, as those of several runs do. Those of one run cannot,
            and stand one behind the other.
    """
    return _side_by_side(reader) if at_once else _one_by_one(reader)


def _one_by_one(reader: Reader) -> Iterator[Step]:
    begin = 0.0
    for process in reader.processes():
        end = begin
        for step in _of_process(reader.samples(process.number), begin):
            yield step
            end = step.begin + step.seconds
        begin = end


def _side_by_side(reader: Reader) -> Iterator[Step]:
    """Yield steps by the clock, without the time in which no process worked."""
    processes = [
        _of_process(reader.samples(process.number, _PAGE), _moment(process.started))
        for process in reader.processes()
    ]
    idle = end = None
    for step in heapq.merge(*processes, key=lambda step: step.begin):
        if idle is None or end is None:
            idle = end = step.begin
        idle += max(0.0, step.begin - end)
        end = max(end, step.begin + step.seconds)
        yield replace(step, begin=step.begin - idle)


def _of_process(samples: Iterable[Sample], begin: float) -> Iterator[Step]:
    last, before = 0.0, None
    for sample in samples:
        reading = reading_of(sample)
        second = _number(sample.second)
        if reading is None or not last < second < MOST:
            continue
        yield Step(begin + last, second - last, before, reading, restarted=before is None)
        last, before = second, reading


def _number(found: object) -> float:
    """Return a number as it is; a ledger that somebody else made may have anything in its columns."""
    return found if isinstance(found, float | int) else 0.0


def _moment(started: object) -> float:
    """Return when a process began, seconds of the epoch."""
    try:
        return datetime.fromisoformat(str(started)).timestamp()
    except (OverflowError, ValueError):
        return 0.0
