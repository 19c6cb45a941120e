"""What goes wrong on cue: each failure by rate from a seed, or by script on the nth call.

Whether a call fails by rate depends on the seed, the operation, its subject (thing or CN) and how many calls
of that operation there were for that subject; not on the order in which calls of different devices arrive.
So a failing run fails the same way again, however its devices overlap.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.awsiot.errors import AwsError
from tests.support.awsiot.signing import Wrong

__all__ = ["Drop", "Fail", "Fault", "Faults", "Hang", "LateCommit", "Rate", "Slow", "Spoil"]


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer with an error, before the effect or ``after`` it was committed."""

    code: str
    status: int | None = None
    message: str = "injected by the test"
    after: bool = False

    def error(self) -> AwsError:
        """Return the error to answer with."""
        return AwsError(self.code, self.message, status=self.status)


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop the connection without an answer, before the effect or ``after`` it; ``reset`` it with an RST."""

    after: bool = False
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Hang:
    """Say nothing until the client goes away, before the effect or ``after`` it was committed."""

    after: bool = False


@dataclass(frozen=True, slots=True)
class LateCommit:
    """Say nothing until the client goes away, and commit ``seconds`` after that."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Slow:
    """Commit, and answer ``seconds`` later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Spoil:
    """Issue or answer a wrong certificate. For CreateCertificateFromCsr."""

    wrong: Wrong


Fault = Fail | Drop | Hang | LateCommit | Slow | Spoil

Rate = float | Mapping[str, float]
"""A probability for all operations, or one by operation (those not named never fail)."""

_ISSUE = "CreateCertificateFromCsr"


@dataclass(slots=True)
class _Rule:
    operation: str | None
    subject: str | None
    fault: Fault
    first: int
    times: int | None
    seen: int = 0

    def fires(self, operation: str, subject: str) -> bool:
        if self.operation not in {None, operation} or self.subject not in {None, subject}:
            return False
        self.seen += 1
        return self.seen >= self.first and (self.times is None or self.seen < self.first + self.times)


@dataclass(slots=True)
class Faults:
    """The faults of one double. A call has one of them at most; scripts come before rates.

    Attributes:
        seed: Of all that happens by rate.
        throttle: ThrottlingException before the effect.
        unavailable: ServiceUnavailableException before the effect.
        error_500: InternalFailureException before the effect.
        error_500_after: InternalFailureException after the effect was committed.
        drop: The connection is dropped before the effect.
        lost: The effect is committed, and the connection dropped without an answer.
        hang: No answer, and no effect.
        hang_after: No answer, though the effect was committed.
        slow: The answer comes ``slow_seconds`` late.
        wrong: CreateCertificateFromCsr gives a certificate that is wrong in one of the ways of ``Wrong``.
        slow_seconds: See ``slow``.
    """

    seed: int = 0
    throttle: Rate = 0.0
    unavailable: Rate = 0.0
    error_500: Rate = 0.0
    error_500_after: Rate = 0.0
    drop: Rate = 0.0
    lost: Rate = 0.0
    hang: Rate = 0.0
    hang_after: Rate = 0.0
    slow: Rate = 0.0
    wrong: Rate = 0.0
    slow_seconds: float = 0.05
    _rules: list[_Rule] = field(default_factory=list, init=False, repr=False)
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter, init=False, repr=False)

    def script(
        self,
        operation: str | None,
        fault: Fault,
        *,
        nth: int = 1,
        times: int | None = 1,
        subject: str | None = None,
    ) -> None:
        """Inject a fault on the nth call from now on, and on the ones after it.

        Args:
            operation: Of which calls are counted, or None for all.
            fault: What goes wrong.
            nth: From 1, counted among the calls that match ``operation`` and ``subject``.
            times: On how many calls in a row, or None for ever.
            subject: The thing or CN of which calls are counted, or None for all.
        """
        self._rules.append(_Rule(operation, subject, fault, nth, times))

    def deny(self, operation: str | None, code: str = "AccessDeniedException") -> None:
        """Refuse an operation, or all, from now on."""
        message = f"User is not authorized to perform: iot:{operation or '*'}"
        self.script(operation, Fail(code, message=message), times=None)

    def clear(self) -> None:
        """Forget all scripts. Rates stay."""
        self._rules.clear()

    def choose(self, operation: str, subject: str) -> Fault | None:
        """Count a call, and return what is to go wrong with it, or None."""
        fired = [rule.fault for rule in self._rules if rule.fires(operation, subject)]
        self._counts[operation, subject] += 1
        by_rate = self._by_rate(operation, subject, self._counts[operation, subject])
        return fired[0] if fired else by_rate

    def _by_rate(self, operation: str, subject: str, count: int) -> Fault | None:
        kinds: tuple[tuple[Rate, Fault], ...] = (
            (self.throttle, Fail("ThrottlingException", message="Rate exceeded")),
            (self.unavailable, Fail("ServiceUnavailableException")),
            (self.error_500, Fail("InternalFailureException")),
            (self.error_500_after, Fail("InternalFailureException", after=True)),
            (self.drop, Drop()),
            (self.lost, Drop(after=True)),
            (self.hang, Hang()),
            (self.hang_after, Hang(after=True)),
            (self.slow, Slow(self.slow_seconds)),
        )
        dice = random.Random(f"{self.seed}/{operation}/{subject}/{count}")  # noqa: S311 - to be played again
        left = dice.random()
        for rate, fault in kinds:
            left -= _rate_of(rate, operation)
            if left < 0.0:
                return fault
        if operation == _ISSUE and left < _rate_of(self.wrong, operation):
            return Spoil(dice.choice(list(Wrong)))
        return None


def _rate_of(rate: Rate, operation: str) -> float:
    return rate.get(operation, 0.0) if isinstance(rate, Mapping) else rate
