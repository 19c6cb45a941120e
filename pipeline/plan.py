"""What a run will take, before it is begun: calls per API, seconds per stage, and which limit decides.

Stages overlap, so a run takes as long as its slowest stage: either making keys, which is arithmetic, or one API
operation, whose calls go out at its quota. Everything here is arithmetic on counts and rates; the only thing
that is measured is how long this machine takes for a key.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline import keys
from pipeline.settings import KeyType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.aws.quotas import Grant
    from pipeline.manifest import Totals

__all__ = ["KEYS", "Plan", "Stage", "as_time", "time_of_key"]

KEYS = "key generation"
RATE = "--rate"

MEASURING_SECONDS = 1.5
"""How long keys are made to time them. RSA is uneven: one key says little."""

_FAST_KEY_SECONDS = {KeyType.EC_P256: 1e-4, KeyType.RSA_2048: 0.06}
"""What other keys take on an ordinary core, where one of them is proposed and not measured."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One thing that a run spends time on.

    Attributes:
        name: ``key generation`` or an API operation.
        count: Keys or calls.
        per_second: The rate at which they go.
        source: What the rate is from: ``measured``, or as ``Grant.source``.
    """

    name: str
    count: int
    per_second: float
    source: str

    @property
    def seconds(self) -> float:
        """How long this stage takes by itself."""
        return self.count / self.per_second


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will take.

    Attributes:
        devices: Rows of the manifest.
        key_type: The keys to be made.
        workers: Processes that make them.
        stages: Slowest first; those without work are left out.
    """

    devices: int
    key_type: KeyType
    workers: int
    stages: tuple[Stage, ...]

    @classmethod
    def of(
        cls,
        totals: Totals,
        grants: Mapping[str, Grant],
        key_type: KeyType,
        workers: int,
        key_seconds: float,
        rate: float | None = None,
    ) -> Plan:
        """Work out a plan for a run that begins from nothing.

        Args:
            totals: What the manifest asks for.
            grants: What may be used, by API operation.
            key_type: The keys to be made.
            workers: Processes that make them.
            key_seconds: How long one core takes for one.
            rate: Devices per second at most, or None.
        """
        calls = {
            "DescribeThing": totals.devices,
            "CreateThing": totals.devices,
            "CreateCertificateFromCsr": totals.devices,
            "AttachThingPrincipal": totals.devices,
            "AddThingToThingGroup": totals.memberships,
            "AttachPolicy": totals.with_policy,
        }
        stages = [Stage(api, count, grants[api].rate, grants[api].source) for api, count in calls.items()]
        stages.append(Stage(KEYS, totals.devices - totals.with_csr, workers / key_seconds, "measured"))
        if rate is not None:
            stages.append(Stage(RATE, totals.devices, rate, RATE))
        working = sorted((stage for stage in stages if stage.count), key=lambda stage: -stage.seconds)
        return cls(totals.devices, key_type, workers, tuple(working))

    @property
    def seconds(self) -> float:
        """How long the run takes: as long as its slowest stage."""
        return self.stages[0].seconds

    def advice(self) -> list[str]:
        """Return what would make it quicker, and to what, most telling first."""
        decides = self.stages[0]
        rest = self._without({decides.name})
        if decides.name == RATE:
            return [f"without --rate it takes {as_time(rest)}"]
        if decides.name == KEYS:
            return self._advice_on_keys(decides, rest)
        needed = decides.count / max(rest, 1e-9)
        lines = []
        together = [stage for stage in self.stages if stage.seconds > 0.99 * decides.seconds]
        if len(together) > 1:
            rest = self._without({stage.name for stage in together})
            names = " and ".join(stage.name for stage in together)
            needed = max(stage.count for stage in together) / max(rest, 1e-9)
            lines.append(
                f"{names} decide alike: raise both quotas to {_rate(needed)}, then it takes {as_time(rest)}"
            )
        else:
            lines.append(f"raise the quota of {decides.name} to {_rate(needed)}, then it takes {as_time(rest)}")
        if any(stage.name == "AttachPolicy" for stage in together):
            lines.append(
                "a policy attached once to a thing group spares AttachPolicy; it applies only where the MQTT "
                "client id equals the thing name"
            )
        return lines

    def _advice_on_keys(self, decides: Stage, rest: float) -> list[str]:
        lines = []
        for other, seconds in _FAST_KEY_SECONDS.items():
            quicker = decides.count * seconds / self.workers
            if other is not self.key_type and quicker < decides.seconds / 2:
                lines.append(f"--key {other} takes about {as_time(max(quicker, rest))}")
        cores = self.workers * decides.seconds / max(rest, 1e-9)
        if cores < 1000:
            more = max(math.ceil(cores), self.workers + 1)
            lines.append(f"{more} cores instead of {self.workers} take {as_time(rest)}")
        return lines

    def _without(self, names: set[str]) -> float:
        return max((stage.seconds for stage in self.stages if stage.name not in names), default=0.0)


def time_of_key(key_type: KeyType, seconds: float = MEASURING_SECONDS) -> float:
    """Return the seconds that one core of this machine takes for a key and its CSR, on average."""
    begin = time.perf_counter()
    made = 0
    while (passed := time.perf_counter() - begin) < seconds or not made:
        keys.sign_request(keys.generate(key_type), "TestThing001")
        made += 1
    return passed / made


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"


def as_time(seconds: float) -> str:
    """Return seconds as a person says them."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {left:02} s"
