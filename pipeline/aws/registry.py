"""AWS IoT in one account and Region: the calls that thingmill makes, in plain types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.aws.account import AccountCalls, Identity
from pipeline.aws.certificates import ISSUE, CertificateCalls, Described, Listed
from pipeline.aws.things import Thing, ThingCalls

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pipeline.stop import Stop

__all__ = ["ISSUE", "Described", "Identity", "Listed", "Registry", "Thing"]


class Registry(AccountCalls, ThingCalls, CertificateCalls):
    """All calls. Each method is one operation; the names are the API's."""

    def patient(self) -> Registry:
        """Return the same calls, carried through also when the run was asked to stop."""
        return Registry(self._clients, self._caller.patient())

    def resolute(self, stop: Stop, begin: Callable[[], Awaitable[None]]) -> Registry:
        """Return the same calls, patient from the first on that may change something (``Caller.resolute``)."""
        return Registry(self._clients, self._caller.resolute(stop, begin))
