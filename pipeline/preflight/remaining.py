"""What a run has left to do, and about how long that takes: from its manifest, and its ledger if there is one."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.aws.quotas import DEFAULTS, Grant
from pipeline.cores import Keys
from pipeline.device import State
from pipeline.errors import ThingmillError
from pipeline.ledger import live_ledger
from pipeline.manifest import Totals
from pipeline.plan import Plan
from pipeline.settings import KeyType, usable_cores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.manifest import Roster
    from pipeline.settings import Settings

__all__ = ["Remaining"]

_KEY_SECONDS = {
    KeyType.RSA_4096: 0.47,
    KeyType.RSA_3072: 0.2,
    KeyType.RSA_2048: 0.05,
    KeyType.EC_P256: 1e-4,
    KeyType.EC_P384: 7e-4,
    KeyType.EC_P521: 7e-4,
}
"""About what a key takes of an ordinary core (benchmarks/results.md: 2.2 and 22 keys a second and core of RSA-4096
and RSA-2048). ``thingmill plan`` measures it, which takes longer than the start of a run should."""

_ELSEWHERE = dict.fromkeys(DEFAULTS, Grant(math.inf, ""))
"""Calls of other runs are beyond this run's quotas; what they take of the coordinator's core counts."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left.

    Attributes:
        totals: Of the devices that are not done yet; what some of them have behind them already is counted.
        unwritten: Those of which nothing is on disk yet.
        keys: The keys of these devices, by type; some of them may be made already.
    """

    totals: Totals
    unwritten: int
    keys: Mapping[KeyType, int]

    @classmethod
    def of(cls, roster: Roster, ledger: Path, key_type: KeyType) -> Remaining:
        """Look at a run, which need not exist yet; ``key_type`` is that of rows that name none."""
        whole = roster.totals()
        counts, skipped = _counts(ledger)
        # A run's own failed.csv names only some of the devices that a run goes on with.
        devices = max(whole.devices, sum(counts.values())) - skipped
        left = devices - counts.get(State.DONE, 0)
        share = left / whole.devices if whole.devices else 0.0
        scaled = (round(number * share) for number in (whole.with_csr, whole.with_policy, whole.memberships))
        written = sum(number for state, number in counts.items() if state >= State.KEYED)
        keys = {asked: round(number * share) for asked, number in roster.key_counts(key_type).items()}
        return cls(Totals(left, *scaled), devices - written, keys)

    @property
    def new(self) -> tuple[int, int]:
        """Devices of which nothing is on disk yet, and about how many of them keep their own key."""
        return self.unwritten, min(self.totals.with_csr, self.unwritten)

    def seconds(self, grants: Mapping[str, Grant], settings: Settings, beside: Sequence[Remaining] = ()) -> float:
        """Return about how long the run takes, by its quotas and an ordinary machine's keys.

        Args:
            grants: What the run may use, by API operation.
            settings: The run's; others of the same process have its key makers and its pace.
            beside: What other runs of the same process have left. Keys, coordination and ``--rate`` go to all in
                turn, so the run is taken to need all the time that these take for all: it is over no later.
        """
        if not self.totals.devices:
            return 0.0
        counts = sum((Counter(each.keys) for each in (self, *beside)), Counter[KeyType]())
        plan = Plan.of_several(
            {"": (self.totals, grants)}
            | {str(number): (each.totals, _ELSEWHERE) for number, each in enumerate(beside, 1)},
            # Those that a cluster makes take nothing of this machine, and how fast it makes them is not known.
            Keys(counts if settings.cluster is None else {}, _KEY_SECONDS),
            settings.workers,
            settings.rate,
            cores=usable_cores(),
            shared=settings.gives_way,
        )
        return plan.seconds


def _counts(ledger: Path) -> tuple[Mapping[State, int], int]:
    """Return devices by state, and how many are left alone; a ledger that cannot be read counts as none.

    Whoever opens it in earnest says what is wrong with it.
    """
    if not ledger.exists():
        return {}, 0
    try:
        with closing(live_ledger(ledger)) as reader:
            return reader.counts(), reader.outcomes()["skipped"]
    except (ThingmillError, sqlite3.Error):
        return {}, 0
