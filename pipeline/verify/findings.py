"""What is found wrong, and the verdict on one device. ``codes.FindingCode`` says what each code means."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.text import printable

if TYPE_CHECKING:
    from pipeline.codes import FindingCode, ProofCode

__all__ = ["Check", "Finding", "Verdict"]


_LONGEST = 1000
"""Characters of a message at most."""


class Check(enum.StrEnum):
    """What a device is held against."""

    OFFLINE = "offline"
    """Its bundle on disk."""
    AUDIT = "audit"
    """The trail of the calls that were made for it."""
    REMOTE = "remote"
    """The account."""
    CONNECT = "connect"
    """The MQTT endpoint."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        check: Which check found it.
        code: A short, stable name of the fault.
        message: What is wrong, in one sentence, safe to print.
    """

    check: Check
    code: FindingCode | ProofCode
    message: str

    def __post_init__(self) -> None:
        """Make the message safe to print, whatever of a ledger, a bundle or a server it quotes."""
        object.__setattr__(self, "message", printable(self.message, _LONGEST))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one device, or of the run as a whole.

    Attributes:
        thing_name: The device, or None for the run as a whole.
        seq: Its number in the ledger; 0 for the run.
        certificate_id: Its certificate, or None where it has none.
        outcome: ``done``, ``failed``, ``open``, ``skipped`` or ``revoked``; the last two are not looked at.
        checks: What it was held against.
        findings: What is wrong; empty when all is well.
        keeps_key: Whether the device keeps its own key, with which nobody else can connect.
        key_closed: Whether its key is encrypted, and nothing was given to open it with.
    """

    thing_name: str | None
    seq: int
    certificate_id: str | None
    outcome: str
    checks: frozenset[Check]
    findings: tuple[Finding, ...]
    keeps_key: bool = False
    key_closed: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    @property
    def connected(self) -> bool | None:
        """Whether the device's own bundle connected just now, or None where that was not tried."""
        return not self.failed(Check.CONNECT) if Check.CONNECT in self.checks else None

    def failed(self, check: Check) -> bool:
        """Whether a check found something."""
        return any(finding.check is check for finding in self.findings)
