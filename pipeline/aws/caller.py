"""How a call is made: paid from its operation's budget, tried again where that is safe.

A throttle is waited out for as long as it lasts, and an answer that was lost is asked for again, with jitter. That
is right for every operation but CreateCertificateFromCsr, where "reusing the same CSR results in a distinct
certificate": ``issuance`` makes its attempts one by one, with ``permit`` and ``attempt``.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio

from pipeline import failpoints
from pipeline.aws.failures import CallError, Failure, sort
from pipeline.aws.limiter import Budget
from pipeline.stop import Stop, StoppedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pipeline.aws.quotas import Grant

__all__ = ["MOST_RETRIES", "Caller", "Recorder"]

T = TypeVar("T")

MOST_RETRIES = 7
"""How often a call without an answer is repeated, one after the other, before its device fails."""
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 20.0


_HARMLESS = ("Describe", "Get", "List")
"""How the names of operations begin that change nothing."""


class Recorder(Protocol):
    """Is told of each attempt that may have changed something."""

    def __call__(self, api: str, about: Mapping[str, str], result: str, request_id: str) -> None:
        """Note an attempt.

        Args:
            api: The operation.
            about: What it was about: thing, certificate, policy, group, by name.
            result: ``ok``, or the error's code.
            request_id: What AWS calls the request, or "" where no answer came.
        """


class Caller:
    """Makes calls for a run.

    Args:
        grants: What may be used, by API operation.
        stop: Ends waits when the run is asked to stop. A call that is under way is always finished.
        jitter: A source of numbers from 0 to 1 (given by tests that play a run again).

    Attributes:
        recorder: Is told of each attempt that may have changed something, or None.
    """

    def __init__(
        self, grants: Mapping[str, Grant], stop: Stop, jitter: Callable[[], float] = random.random
    ) -> None:
        self.grants = dict(grants)
        self.budgets = {api: Budget(grant.rate) for api, grant in grants.items()}
        self.recorder: Recorder | None = None
        self._stop = stop
        self._jitter = jitter
        self._begin: Callable[[], Awaitable[None]] | None = None

    def patient(self) -> Caller:
        """Return a caller on the same budgets whose waits are not ended by a request to stop."""
        return self._with(Stop())

    def resolute(self, stop: Stop, begin: Callable[[], Awaitable[None]]) -> Caller:
        """Return a caller on the same budgets that is patient from its first change on.

        Args:
            stop: Ends waits before the first attempt that may change something, that for its leave included.
            begin: Awaited once, right before that attempt.
        """
        other = self._with(stop)
        other._begin = begin  # noqa: SLF001  one of its own kind
        return other

    def _with(self, stop: Stop) -> Caller:
        other = Caller({}, stop, self._jitter)
        other.grants, other.budgets, other.recorder = self.grants, self.budgets, self.recorder
        return other

    async def call(self, api: str, send: Callable[[], Awaitable[T]], **about: str) -> T:
        """Make an idempotent call, as often as it takes, and return its answer.

        Args:
            api: The operation, whose budget pays for each attempt.
            send: Makes one attempt.
            about: What the call is about, for the recorder.

        Raises:
            CallError: It failed for good.
            StoppedError: The run was asked to stop before the call was made.
        """
        unanswered = throttled = 0
        while True:
            await self.permit(api)
            try:
                return await self.attempt(api, send, **about)
            except CallError as error:
                if error.failure is Failure.THROTTLED:
                    throttled += 1
                    retry = throttled
                elif error.failure in (Failure.UNSENT, Failure.UNANSWERED) and unanswered < MOST_RETRIES:
                    unanswered += 1
                    retry = unanswered
                else:
                    raise
            await self.pause(retry)

    async def permit(self, api: str) -> None:
        """Wait until the operation's budget allows one attempt.

        Raises:
            StoppedError: The run was asked to stop.
        """
        if self._stop.requested:
            raise StoppedError
        budget = self.budgets[api]
        if not budget.acquire_nowait():  # most calls are not scarce, and need no wait that could be interrupted
            with self._stop.interruptible():
                await budget.acquire()

    async def attempt(self, api: str, send: Callable[[], Awaitable[T]], **about: str) -> T:
        """Make one attempt that ``permit`` allowed. It is finished even when the run is asked to stop meanwhile.

        Raises:
            CallError: It failed; its ``failure`` says whether anything can have been done.
        """
        if self._begin is not None and not api.startswith(_HARMLESS):
            begin, self._begin, self._stop = self._begin, None, Stop()
            await begin()
        point = "certificate" if api == "CreateCertificateFromCsr" else "call"
        failpoints.hit(f"{point}.before")
        # Once sent, a call is waited for: what it did must be known and recorded.
        with anyio.CancelScope(shield=True):
            try:
                answer = await send()
            except Exception as error:  # sorted: what is no failure of a call is raised again
                failure = sort(api, error)
                if failure.failure is Failure.THROTTLED:
                    self.budgets[api].throttled()
                self._record(api, about, failure.code, getattr(error, "response", None))
                raise failure from error
            self._record(api, about, "ok", answer)
        failpoints.hit(f"{point}.after")
        return answer

    async def pause(self, retry: int) -> None:
        """Wait before a retry: exponential with full jitter, so that devices do not retry in step.

        Raises:
            StoppedError: The run was asked to stop.
        """
        longest = min(FIRST_PAUSE_SECONDS * 2 ** min(retry, 10), LONGEST_PAUSE_SECONDS)
        with self._stop.interruptible():
            await anyio.sleep(longest * self._jitter())

    def _record(self, api: str, about: dict[str, str], result: str, answer: Any) -> None:  # noqa: ANN401  any answer
        if self.recorder is None or api.startswith(_HARMLESS):
            return
        answer = answer if isinstance(answer, dict) else {}
        if "certificateId" in answer:
            about["certificate"] = str(answer["certificateId"])
        self.recorder(api, about, result, str(answer.get("ResponseMetadata", {}).get("RequestId", "")))
