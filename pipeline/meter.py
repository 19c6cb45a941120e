"""What happens in a run, counted as it happens: what every display and every event stream is fed from.

The core knows no screen. It tells a ``Meter``, which counts; a display looks at the counts a few times a second,
so its cost does not grow with the number of devices. Whoever wants each event (``--json``) listens.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pipeline.device import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.device import Device
    from pipeline.errors import DeviceError

__all__ = ["Limit", "Listener", "Meter", "Reading"]


_REACHED = tuple(state for state in State if state not in (State.LISTED, State.REQUESTED))
"""The states that a device is told to have reached."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What decides the pace at this moment.

    Attributes:
        name: An API operation, ``key generation``, or ``--rate``.
        per_second: Its rate now, where it has one.
        waiting: How many devices wait for it.
    """

    name: str
    per_second: float | None
    waiting: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What one process of a run had done at an instant.

    Attributes:
        reached: How many devices it brought to each state, by the state's name, or past it.
        spent: Seconds that its devices took for the way to each state from the one before, in all.
        failed: How many failed in it.
        skipped: How many it left alone.
        throttles: How often each operation was throttled, without those that never were.
        limit: What decided the pace then, or None.
    """

    reached: Mapping[str, int]
    spent: Mapping[str, float]
    failed: int = 0
    skipped: int = 0
    throttles: Mapping[str, int] = field(default_factory=dict)
    limit: Limit | None = None


class Listener(Protocol):
    """Somebody who wants to hear of each event."""

    def reached(self, device: Device, state: State) -> None:
        """A device's step became durable."""

    def failed(self, device: Device, error: DeviceError) -> None:
        """A device failed."""

    def skipped(self, device: Device, reason: DeviceError) -> None:
        """A device is left alone."""

    def note(self, message: str) -> None:
        """Something that a person should know, in one sentence, safe to print."""


@dataclass(slots=True)
class Meter:
    """The counts of a run.

    Attributes:
        total: Devices in the run, those of earlier runs of it included, and those that were taken back not.
        at_least: How many devices have reached each state or passed it.
        before: The same when this process began.
        spent: Seconds that devices took for the way to each state from the one before, in all.
        failed: How many failed in this process.
        skipped: How many were left alone.
        left_out: How many are not meant this time, and are not done either.
        last_failures: The latest failures, newest last.
        listeners: Who else is told.
        limit: Returns what decides the pace now, or None (set by the run).
        throttles: Returns how often each operation was throttled (set by the run).
        stopping: Whether the run was asked to stop.
    """

    total: int = 0
    at_least: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))
    before: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))
    spent: dict[State, float] = field(default_factory=lambda: dict.fromkeys(State, 0.0))
    failed: int = 0
    skipped: int = 0
    left_out: int = 0
    last_failures: deque[tuple[str, DeviceError]] = field(default_factory=lambda: deque(maxlen=3))
    listeners: list[Listener] = field(default_factory=list)
    limit: Callable[[], Limit | None] = lambda: None
    throttles: Callable[[], Mapping[str, int]] = dict
    stopping: bool = False
    _skipped_before: int = 0

    def begin(self, counts: Mapping[State, int], skipped: int, left_out: int = 0) -> None:
        """Start from what a ledger holds already: devices by the state they are in."""
        self.left_out = left_out
        self.total = sum(counts.values())
        for state in State:
            self.at_least[state] = sum(number for other, number in counts.items() if other >= state)
        self.before = dict(self.at_least)
        self.skipped = self._skipped_before = skipped

    def gained(self, state: State) -> int:
        """Return how many devices this process brought to a state."""
        return self.at_least[state] - self.before[state]

    def reading(self) -> Reading:
        """Return what this process has done so far."""
        return Reading(
            reached={state.name: self.gained(state) for state in _REACHED},
            spent={state.name: round(self.spent[state], 3) for state in _REACHED},
            failed=self.failed,
            skipped=self.skipped - self._skipped_before,
            throttles=dict(self.throttles()),
            limit=self.limit(),
        )

    def reached(self, device: Device, state: State, seconds: float = 0.0) -> None:
        """Count a state that became durable.

        Args:
            device: The device.
            state: The state.
            seconds: How long it took from the state before, or from the device's turn.
        """
        self.at_least[state] += 1
        self.spent[state] += seconds
        for listener in self.listeners:
            listener.reached(device, state)

    def fail(self, device: Device, error: DeviceError) -> None:
        """Count a failure."""
        self.failed += 1
        self.last_failures.append((device.thing_name, error))
        for listener in self.listeners:
            listener.failed(device, error)

    def skip(self, device: Device, reason: DeviceError) -> None:
        """Count a device that is left alone."""
        self.skipped += 1
        for listener in self.listeners:
            listener.skipped(device, reason)

    def note(self, message: str) -> None:
        """Pass on what a person should know."""
        for listener in self.listeners:
            listener.note(message)
