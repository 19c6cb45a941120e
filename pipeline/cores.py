"""What a run takes of the processor: its keys, and what one device costs besides."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline import keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.settings import KeyType

__all__ = ["Keys", "Work", "time_of_key"]

MEASURING_SECONDS = 4.0
"""How long RSA keys are made to time them. They are uneven: with fewer than a hundred the mean says little."""

_MEASURING_EC_SECONDS = 0.3
"""The same for EC keys, of which this is thousands."""

CALL_SECONDS = 0.55e-3
"""What a call takes of the coordinator's core, seconds (benchmarks/results.md, plan: 4 and 9 calls a device)."""

DEVICE_SECONDS = 3.3e-3
"""What a device takes of the coordinator's core besides its calls, seconds (from the same)."""

FILES_SECONDS = 6.5e-3
"""What a device's files take of other cores, seconds: written by workers, brought to the disk by the system's
fsyncs (from the same: the time of all cores, without the coordinator's)."""

SINGLY_SECONDS = 8e-3
"""What a device takes more of all cores where keys come singly, as those of RSA do, seconds: tasks, commits and
wake-ups then serve one device and not many (benchmarks/results.md, plan: rsa-2048)."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that a run makes.

    Attributes:
        counts: How many, by type; most runs have one type only.
        each: Seconds that one core takes for a key, by type.
    """

    counts: Mapping[KeyType, int]
    each: Mapping[KeyType, float]

    @property
    def number(self) -> int:
        """How many there are."""
        return sum(self.counts.values())

    @property
    def seconds(self) -> float:
        """What one core takes for all of them."""
        return sum(count * self.each[key_type] for key_type, count in self.counts.items())

    @property
    def singly(self) -> int:
        """Those of RSA, which go to the workers one by one."""
        return sum(count for key_type, count in self.counts.items() if key_type.startswith("rsa"))

    @property
    def named(self) -> str:
        """Their types, as a person says them."""
        return " and ".join(key_type.value for key_type, count in self.counts.items() if count) or "no"

    def instead(self, key_type: KeyType, seconds: float) -> Keys:
        """Return as many keys of one type, each of which takes a core so long."""
        return Keys({key_type: self.number}, {key_type: seconds})


@dataclass(frozen=True, slots=True)
class Work:
    """What a run asks of the cores, and which there are.

    Attributes:
        devices: Rows of the manifest.
        keys: Those that are made here.
        calls: To all API operations together.
        workers: Processes that make them.
        cores: What all processes of the run share.
    """

    devices: int
    keys: Keys
    calls: int
    workers: int
    cores: int

    @property
    def coordination(self) -> float:
        """Seconds that the one process takes that makes the calls and keeps the ledger."""
        return self.devices * DEVICE_SECONDS + self.calls * CALL_SECONDS

    @property
    def making(self) -> float:
        """Seconds that the workers take for the keys alone."""
        return self.keys.seconds / self.workers

    @property
    def everything(self) -> float:
        """Seconds that all cores take for all that a run does, keys and the rest."""
        keys = self.keys.seconds + self.keys.singly * SINGLY_SECONDS
        return (keys + self.coordination + self.devices * FILES_SECONDS) / self.cores

    @property
    def seconds(self) -> float:
        """How long the stage of keys takes: the workers by themselves, or the cores with all that they share."""
        return max(self.making, self.everything)


def time_of_key(key_type: KeyType) -> float:
    """Return the seconds that one core of this machine takes for a key and its CSR, on average."""
    seconds = MEASURING_SECONDS if key_type.startswith("rsa") else _MEASURING_EC_SECONDS
    begin = time.perf_counter()
    made = 0
    while (passed := time.perf_counter() - begin) < seconds or not made:
        keys.sign_request(keys.generate(key_type), "TestThing001")
        made += 1
    return passed / made
