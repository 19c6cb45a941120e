"""The journal: every call that arrived, what was done about it, and questions a checker asks of it."""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PENDING", "Call", "Journal"]

PENDING = "pending"

# Long, and of no use to a reader: the subject and the certificate's own record tell whose they are.
_LEFT_OUT = frozenset({"certificateSigningRequest", "policyDocument"})


@dataclass(slots=True)
class Call:
    """One call.

    Attributes:
        operation: As in the service model.
        subject: The thing, or the CN, that it is about; else another name; else ``""``.
        params: Members of the request by name, CSR and policy document left out.
        mutating: It is of an operation that changes something.
        access_key: The access key id that signed it, or ``""``.
        resend: aiohttp sent it again by itself after the connection was dropped.
        request_id: As in ``x-amzn-RequestId``.
        started: When it arrived, monotonic seconds.
        outcome: ``pending``, ``ok``, an error code, ``dropped`` or ``hung``: what the client was told.
        committed: Its effect took place, whatever the client was told.
        fault: The fault that was injected, or None.
        ended: When it was answered or given up, monotonic seconds, or None.
    """

    operation: str
    subject: str
    params: dict[str, object]
    mutating: bool
    access_key: str = ""
    resend: bool = False
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: float = field(default_factory=time.monotonic)
    outcome: str = PENDING
    committed: bool = False
    fault: object | None = None
    ended: float | None = None


class Journal:
    """All calls in the order of arrival.

    Attributes:
        calls: The entries.
        mutating_calls: How many arrived of operations that change something, whatever came of them.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.mutating_calls = 0
        self._arrived: Counter[str] = Counter()

    def begin(
        self, operation: str, subject: str, params: Mapping[str, object], *, mutating: bool, access_key: str
    ) -> Call:
        """Note the arrival of a call and return its entry, to be filled in."""
        kept = {name: value for name, value in params.items() if name not in _LEFT_OUT}
        call = Call(operation, subject, kept, mutating, access_key)
        self.calls.append(call)
        self.mutating_calls += mutating
        self._arrived[operation] += 1
        return call

    def find(
        self, operation: str | None = None, *, subject: str | None = None, outcome: str | None = None
    ) -> list[Call]:
        """Return the calls that match everything given."""
        return [
            call
            for call in self.calls
            if operation in {None, call.operation}
            and subject in {None, call.subject}
            and outcome in {None, call.outcome}
        ]

    def count(
        self, operation: str | None = None, *, subject: str | None = None, outcome: str | None = None
    ) -> int:
        """Return how many calls match everything given."""
        if operation is not None and subject is outcome is None:
            return self._arrived[operation]  # often asked while a test waits
        return len(self.find(operation, subject=subject, outcome=outcome))

    def peak(self, operation: str, window: float = 1.0) -> int:
        """Return the most calls of an operation that arrived in any ``window`` seconds."""
        most, recent = 0, deque[float]()
        for call in self.find(operation):
            recent.append(call.started)
            while recent[0] <= call.started - window:
                recent.popleft()
            most = max(most, len(recent))
        return most
