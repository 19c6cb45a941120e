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

__all__ = ["Limit", "Listener", "Meter"]


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
        total: Devices in the run, those of earlier runs of it included.
        at_least: How many devices have reached each state or passed it.
        issued_before: How many certificates were recorded when this process began.
        done_before: How many devices were done when this process began.
        failed: How many failed in this process.
        skipped: How many were left alone.
        last_failures: The latest failures, newest last.
        listeners: Who else is told.
        limit: Returns what decides the pace now, or None (set by the run).
        throttles: Returns how often each operation was throttled (set by the run).
        stopping: Whether the run was asked to stop.
    """

    total: int = 0
    at_least: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))
    issued_before: int = 0
    done_before: int = 0
    failed: int = 0
    skipped: int = 0
    last_failures: deque[tuple[str, DeviceError]] = field(default_factory=lambda: deque(maxlen=3))
    listeners: list[Listener] = field(default_factory=list)
    limit: Callable[[], Limit | None] = lambda: None
    throttles: Callable[[], Mapping[str, int]] = dict
    stopping: bool = False

    def begin(self, counts: Mapping[State, int], skipped: int) -> None:
        """Start from what a ledger holds already: devices by the state they are in."""
        self.total = sum(counts.values())
        for state in State:
            self.at_least[state] = sum(number for other, number in counts.items() if other >= state)
        self.issued_before = self.at_least[State.ISSUED]
        self.done_before = self.at_least[State.DONE]
        self.skipped = skipped

    def reached(self, device: Device, state: State) -> None:
        """Count a state that became durable."""
        self.at_least[state] += 1
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
