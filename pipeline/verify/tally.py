"""How many devices passed which check."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.published import VERSION
from pipeline.verify.findings import Check

if TYPE_CHECKING:
    from pipeline.verify.findings import Verdict
    from pipeline.verify.verification import Remarks

__all__ = ["Tally"]

NOT_LOOKED_AT = frozenset({"skipped", "revoked"})


@dataclass(slots=True)
class Tally:
    """Counts verdicts.

    Attributes:
        outcomes: Devices by outcome, all of them.
        ok: Devices that were looked at and are in order.
        problems: Findings, those of the run as a whole included.
        looked: Devices that were held against something, by check.
        failed: Those of them that did not pass, by check.
        codes: Findings by code.
        keeping_keys: Devices that keep their own key, where bundles were to connect.
        sealed: Devices whose keys are encrypted, and nothing was given to open them with.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    ok: int = 0
    problems: int = 0
    looked: Counter[Check] = field(default_factory=Counter)
    failed: Counter[Check] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    keeping_keys: int = 0
    sealed: int = 0

    def add(self, verdict: Verdict) -> None:
        """Count a verdict."""
        self.problems += len(verdict.findings)
        self.codes.update(finding.code for finding in verdict.findings)
        if verdict.thing_name is None:
            return
        self.outcomes[verdict.outcome] += 1
        if verdict.outcome in NOT_LOOKED_AT:
            return
        self.ok += verdict.ok
        self.keeping_keys += verdict.keeps_key
        self.sealed += verdict.key_closed
        self.looked.update(verdict.checks)
        self.failed.update(check for check in verdict.checks if verdict.failed(check))

    @property
    def devices(self) -> int:
        """How many devices were looked at."""
        return sum(number for outcome, number in self.outcomes.items() if outcome not in NOT_LOOKED_AT)

    def passed(self, check: Check) -> int:
        """Return how many devices passed a check."""
        return self.looked[check] - self.failed[check]

    @property
    def connected(self) -> int:
        """How many bundles connected just now."""
        return self.passed(Check.CONNECT)

    @property
    def connectable(self) -> int:
        """How many devices have a bundle that somebody but the device itself could connect with."""
        return self.devices - self.keeping_keys

    @property
    def only_sealed(self) -> bool:
        """Whether no bundle could be tried, and encrypted keys are why."""
        return self.sealed > 0 and not self.looked[Check.CONNECT]

    def to_json(self, remarks: Remarks) -> dict[str, Any]:
        """Return all of it for machines, and what was found besides."""
        return {
            "event": "summary",
            "version": VERSION,
            "devices": self.devices,
            "ok": self.ok,
            "problems": self.problems,
            "skipped": self.outcomes["skipped"],
            "revoked": self.outcomes["revoked"],
            "keeping_their_keys": self.keeping_keys,
            "connected": self.connected,
            "sealed": self.sealed,
            "checks": {
                check.value: {"looked": self.looked[check], "failed": self.failed[check]}
                for check in Check
                if self.looked[check]
            },
            "codes": dict(sorted(self.codes.items())),
            "torn_lines": remarks.torn_lines,
            "unrecorded_things": remarks.unrecorded_things,
            "refused_as_another": remarks.refused_as_another,
        }
