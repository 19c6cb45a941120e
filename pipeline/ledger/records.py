"""What a ledger tells besides its entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.device import Issued, State

__all__ = ["Origin", "Rejection", "Standing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How many devices stand where, at one instant.

    Attributes:
        states: Devices by what is durable of them, but for those that failed, were skipped or were revoked.
        outcomes: How many ``failed``, were ``skipped``, were ``revoked``.
        failures: Those that failed by code, the most frequent first.
        doubtful: Devices whose certificate may have been issued without an answer, failed ones included.
        issued: Certificates that were recorded, those that were taken back included.
        finished: Devices that were done since the instant that was asked for.
        changed: When a device last changed, ISO 8601 in UTC, or None.
    """

    states: Mapping[State, int]
    outcomes: Mapping[str, int]
    failures: Mapping[str, int]
    doubtful: int
    issued: int
    finished: int
    changed: str | None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A certificate that failed inspection.

    Attributes:
        spki_sha256: The public key's hash of the device that it was issued for.
        issued: What AWS IoT had answered.
        rejected_at: When, seconds of the epoch.
    """

    spki_sha256: str
    issued: Issued
    rejected_at: float


@dataclass(frozen=True, slots=True)
class Origin:
    """A run that a ledger was put together from.

    Attributes:
        number: Which one, from 1.
        run: Its name.
        folder: Its folder, relative to that of the ledger.
        sharded: Whether its devices are in ``devices/ab/NAME/``.
        devices: How many devices were taken from it.
    """

    number: int
    run: str
    folder: str
    sharded: bool
    devices: int
