"""What a run will take, before it is begun: calls per API, seconds per stage, and which limit decides.

Stages overlap, so a run takes as long as its slowest stage: one API operation, whose calls go out at its quota;
making keys, which the cores do beside everything else; or coordination, which one process does. Everything here
is arithmetic on counts and rates; the only thing that is measured is how long this machine takes for a key.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.cores import Work
from pipeline.settings import KeyType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.aws.quotas import Grant
    from pipeline.cores import Keys
    from pipeline.manifest import Totals

__all__ = ["COORDINATION", "KEYS", "Plan", "Stage", "as_time"]

KEYS = "key generation"
COORDINATION = "coordination"
RATE = "--rate"

_FAST_KEY_SECONDS = {KeyType.EC_P256: 1e-4, KeyType.RSA_2048: 0.06}
"""What other keys take on an ordinary core, where one of them is proposed and not measured."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One thing that a run spends time on.

    Attributes:
        name: ``key generation`` or an API operation, with its account and Region where there are several.
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
        work: What the cores have to do.
        stages: Slowest first; those without work are left out.
    """

    work: Work
    stages: tuple[Stage, ...]

    @property
    def devices(self) -> int:
        """Rows of the manifest."""
        return self.work.devices

    @classmethod
    def of_several(
        cls,
        shares: Mapping[str, tuple[Totals, Mapping[str, Grant]]],
        keys: Keys,
        workers: int,
        rate: float | None = None,
        *,
        cores: int,
        shared: bool = False,
    ) -> Plan:
        """Work out a plan for runs that begin from nothing, each on an account and in a Region of its own.

        They go on at once, and share the cores and the rate.

        Args:
            shares: What is asked for at each and may be used there, by what it is called; "" for the only one.
            keys: The keys to be made.
            workers: Processes that make them.
            rate: Devices per second at most, or None.
            cores: What all processes of the run share.
            shared: Whether the run looks, device by device, whether another station is at work on it (``--part``).
        """
        stages = []
        for name, (totals, grants) in shares.items():
            where = f" ({name})" if name else ""
            stages += [
                Stage(f"{api}{where}", count, grants[api].rate, grants[api].source)
                for api, count in _calls(totals, shared=shared).items()
            ]
        devices = sum(totals.devices for totals, _ in shares.values())
        work = Work(devices, keys, sum(stage.count for stage in stages), workers, cores)
        if devices:
            stages.append(Stage(KEYS, keys.number, keys.number / work.seconds, "measured"))
            stages.append(Stage(COORDINATION, devices, devices / work.coordination, "typical core"))
        if rate is not None:
            stages.append(Stage(RATE, devices, rate, RATE))
        working = sorted((stage for stage in stages if stage.count), key=lambda stage: -stage.seconds)
        return cls(work, tuple(working))

    @property
    def seconds(self) -> float:
        """How long the run takes: as long as its slowest stage, and no time where there is nothing to do."""
        return self.stages[0].seconds if self.stages else 0.0

    def advice(self) -> list[str]:
        """Return what would make it quicker, and to what, most telling first; there is something to do."""
        decides = self.stages[0]
        rest = self._without({decides.name})
        if decides.name == RATE:
            return [f"without --rate it takes {as_time(rest)}"]
        if decides.name == KEYS:
            return self._advice_on_keys(decides, rest)
        if decides.name == COORDINATION:
            return self._advice_on_coordination(decides, rest)
        return self._advice_on_quotas(decides)

    def _advice_on_quotas(self, decides: Stage) -> list[str]:
        together = [
            stage
            for stage in self.stages
            if stage.seconds > 0.99 * decides.seconds and stage.name not in {KEYS, COORDINATION, RATE}
        ]
        rest = self._without({stage.name for stage in together})
        needed = _rate(_up(max(stage.count for stage in together) / rest))
        if len(together) > 1:
            names = " and ".join(stage.name for stage in together)
            quotas = "both quotas" if len(together) == 2 else "these quotas"
            lines = [f"{names} decide alike: raise {quotas} to {needed}, then it takes {as_time(rest)}"]
        else:
            lines = [f"raise the quota of {decides.name} to {needed}, then it takes {as_time(rest)}"]
        if any(stage.name.startswith("AttachPolicy") for stage in together):
            lines.append(
                "a policy attached once to a thing group spares AttachPolicy; it applies only where the MQTT "
                "client id equals the thing name"
            )
        return lines

    def _advice_on_keys(self, decides: Stage, rest: float) -> list[str]:
        lines = []
        for other, seconds in _FAST_KEY_SECONDS.items():
            quicker = replace(self.work, keys=self.work.keys.instead(other, seconds)).seconds
            if self.work.keys.counts.keys() != {other} and quicker < decides.seconds / 2:
                lines.append(f"--key {other} takes about {as_time(max(quicker, rest))}")
        work = self.work
        if work.workers < work.cores and work.making > work.everything:
            more = replace(work, workers=work.cores)
            lines.append(f"--workers {more.workers} takes {as_time(max(more.seconds, rest))}")
            return lines
        # There is a worker for each core that is added, unless there are more already.
        cores = max(
            math.ceil(max(work.everything * work.cores, work.making * work.workers) / rest), work.cores + 1
        )
        more = replace(work, cores=cores, workers=max(cores, work.workers))
        lines.append(f"{cores} cores instead of {work.cores} take {as_time(max(more.seconds, rest))}")
        return lines

    def _advice_on_coordination(self, decides: Stage, rest: float) -> list[str]:
        lines = [f"one run cannot go faster on a core like this: about {_rate(decides.per_second)} are its most"]
        two = max(decides.seconds / 2, self.work.everything, rest)
        if two < 0.95 * decides.seconds:
            lines.append(
                "two manifests in two runs at once, each with its share of every quota (--quota), take "
                f"{as_time(two)}"
            )
        return lines

    def _without(self, names: set[str]) -> float:
        return max((stage.seconds for stage in self.stages if stage.name not in names), default=0.0)


def _calls(totals: Totals, *, shared: bool) -> dict[str, int]:
    """Return how many calls of each operation are made for the devices of one account and Region."""
    return {
        "DescribeThing": totals.devices,
        "CreateThing": totals.devices,
        "CreateCertificateFromCsr": totals.devices,
        "AttachThingPrincipal": totals.devices,
        "ListThingPrincipals": totals.devices if shared else 0,
        "AddThingToThingGroup": totals.memberships,
        "AttachPolicy": totals.with_policy,
    }


def _up(per_second: float) -> float:
    """Return a rate that is no lower when it is shown: an advice that was rounded down would not keep its word."""
    digits = 1 if per_second >= 10 else 10
    return math.ceil(per_second * digits * (1 - 1e-9)) / digits


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.1f}/s"


def as_time(seconds: float) -> str:
    """Return seconds as a person says them."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {left:02} s"
