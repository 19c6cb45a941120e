"""The counts of several runs at once in one meter, for a display that shows them as one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.device import State
from pipeline.meter import Limit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.device import Device
    from pipeline.errors import DeviceError
    from pipeline.meter import Meter

__all__ = ["begin", "listen"]

SHARED = ("key generation", "--rate")
"""Limits that all runs of a process have together; an operation has a quota at each target."""


@dataclass(frozen=True, slots=True)
class _Passing:
    """Passes on what one run tells; what it notes, with its name."""

    name: str
    joint: Meter

    def reached(self, device: Device, state: State) -> None:
        self.joint.reached(device, state)

    def failed(self, device: Device, error: DeviceError) -> None:
        self.joint.fail(device, error)

    def skipped(self, device: Device, reason: DeviceError) -> None:
        self.joint.skip(device, reason)

    def note(self, message: str) -> None:
        self.joint.note(f"{self.name}: {message}")


def listen(joint: Meter, meters: Mapping[str, Meter]) -> None:
    """Have all that several meters are told told to one more.

    Args:
        joint: It is.
        meters: Those of the runs, by their names, which are safe to print.
    """
    for name, meter in meters.items():
        meter.listeners.append(_Passing(name, joint))
    joint.limit = lambda: _ruling([meter.limit() for meter in meters.values()])
    joint.throttles = lambda: sum((Counter(meter.throttles()) for meter in meters.values()), Counter[str]())


def begin(joint: Meter, meters: Sequence[Meter]) -> None:
    """Start from what several meters have, before the first of them is told of a device."""
    counts = dict.fromkeys(State, 0)
    for meter in meters:
        above = 0
        for state in sorted(State, reverse=True):
            counts[state] += meter.at_least[state] - above
            above = meter.at_least[state]
    skipped, left_out = (sum(getattr(meter, name) for meter in meters) for name in ("skipped", "left_out"))
    joint.begin(counts, skipped, left_out)


def _ruling(limits: Sequence[Limit | None]) -> Limit | None:
    """Return what most devices of all runs wait for; of an operation, what it has at all targets where it rules.

    Each run says what most of its own devices wait for, and how many these are.
    """
    found = [limit for limit in limits if limit is not None]
    waiting = Counter[str]()
    for limit in found:
        waiting[limit.name] += limit.waiting
    if not waiting:
        return None
    [(name, number)] = waiting.most_common(1)
    rates = [limit.per_second for limit in found if limit.name == name and limit.per_second is not None]
    if not rates:
        return Limit(name, None, number)
    return Limit(name, max(rates) if name in SHARED else sum(rates), number)
