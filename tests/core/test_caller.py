"""How calls are made: paid, waited for, repeated where that is safe, and never cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from pipeline.aws import quotas
from pipeline.aws.caller import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, MOST_RETRIES, Caller
from pipeline.aws.failures import CallError, Failure
from pipeline.stop import Stop, StoppedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio

API = "DescribeThing"
CHANGE = "DetachPolicy"


def answer(code: str, status: int) -> ClientError:
    """Return an error answer as botocore raises it."""
    error = {"Error": {"Code": code, "Message": "why"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(error, API)  # type: ignore[arg-type]


THROTTLE = answer("ThrottlingException", 400)
BROKEN = answer("InternalFailureException", 500)
REFUSED = answer("InvalidRequestException", 400)
LOST = ReadTimeoutError(endpoint_url="http://localhost")
UNSENT = EndpointConnectionError(endpoint_url="http://localhost")


def paid(rate: float, stop: Stop, jitter: float) -> Caller:
    """Return a caller with a rate for the operations that are called here, and a jitter that is known."""
    return Caller(quotas.granted("eu-west-1", {API: rate, CHANGE: rate}), stop, jitter=lambda: jitter)


class Script:
    """A call whose attempts end as they are told, and then succeed."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.attempts = 0

    async def __call__(self) -> str:
        self.attempts += 1
        await anyio.lowlevel.checkpoint()
        if self._errors:
            raise self._errors.pop(0)
        return "done"


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
def caller(stop: Stop) -> Caller:
    """A caller with a quota that nobody waits for, whose pauses have no length."""
    return paid(10_000.0, stop, jitter=0.0)


async def test_throttles_are_waited_out_for_as_long_as_they_last(caller: Caller) -> None:
    """A hundred throttles fail no call, each costs an attempt of the budget, and the budget hears of them."""
    script = Script(*[THROTTLE] * 100)
    assert await caller.call(API, script) == "done"
    assert script.attempts == 101
    assert (caller.budgets[API].calls, caller.budgets[API].throttles) == (101, 100)
    assert caller.budgets[API].rate < caller.budgets[API].grant


@pytest.mark.parametrize("error", [BROKEN, LOST, UNSENT], ids=["500", "lost", "unsent"])
async def test_what_may_pass_is_tried_again_a_bounded_number_of_times(caller: Caller, error: Exception) -> None:
    """An idempotent call survives as many lost answers as it may be repeated, and not one more."""
    assert await caller.call(API, Script(*[error] * MOST_RETRIES)) == "done"
    script = Script(*[error] * (MOST_RETRIES + 1))
    with pytest.raises(CallError):
        await caller.call(API, script)
    assert script.attempts == MOST_RETRIES + 1


async def test_what_was_refused_is_not_tried_again(caller: Caller) -> None:
    """Asking again would not help."""
    script = Script(REFUSED)
    with pytest.raises(CallError) as caught:
        await caller.call(API, script)
    assert (script.attempts, caught.value.failure) == (1, Failure.REFUSED)


@pytest.mark.parametrize("error", [THROTTLE, BROKEN, LOST, UNSENT])
async def test_an_attempt_is_made_once_whatever_comes_of_it(caller: Caller, error: Exception) -> None:
    """CreateCertificateFromCsr is called so: the decision what to do about a failure is the caller's."""
    script = Script(error)
    with pytest.raises(CallError):
        await caller.attempt(API, script)
    assert script.attempts == 1


async def test_a_resolute_call_is_stopped_only_before_its_first_change(stop: Stop, caller: Caller) -> None:
    """Looks may be stopped; once a change may be sent that is noted, and nothing stops the rest any more."""
    noted: list[int] = []
    script = Script()

    async def begin() -> None:
        noted.append(script.attempts)

    begun, waiting = caller.resolute(stop, begin), caller.resolute(stop, begin)
    assert await begun.call(API, Script()) == "done"
    assert noted == []
    assert await begun.call(CHANGE, script) == "done"
    assert (noted, script.attempts) == ([0], 1)
    stop.request()
    assert await begun.call(CHANGE, script) == "done"
    assert await begun.call(API, Script()) == "done"
    assert noted == [0]
    with pytest.raises(StoppedError):
        await waiting.call(CHANGE, script)
    assert script.attempts == 2


async def test_pauses_grow_and_are_jittered(stop: Stop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pause is a random part of twice the one before, up to a longest one."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("pipeline.aws.caller.anyio.sleep", sleep)
    half = paid(10_000.0, stop, jitter=0.5)
    for retry in range(1, 12):
        await half.pause(retry)
    assert slept[:3] == pytest.approx([FIRST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2, FIRST_PAUSE_SECONDS * 4])
    assert slept == sorted(slept)
    assert slept[-1] == LONGEST_PAUSE_SECONDS / 2


async def test_an_error_that_is_no_failure_of_a_call_is_raised_as_it_is(caller: Caller) -> None:
    """A bug of ours is not mistaken for an answer of AWS."""
    with pytest.raises(ZeroDivisionError):
        await caller.call(API, Script(ZeroDivisionError()))


async def test_a_stop_ends_every_wait(stop: Stop) -> None:
    """Whoever waits for a budget or in a pause is told at once that the run was asked to stop."""
    slow = paid(0.001, stop, jitter=1.0)
    stopped: list[str] = []

    async def wait(name: str, waiting: Callable[[], Awaitable[object]]) -> None:
        try:
            await waiting()
        except StoppedError:
            stopped.append(name)

    await slow.permit(API)
    async with anyio.create_task_group() as group:
        group.start_soon(wait, "budget", lambda: slow.permit(API))
        group.start_soon(wait, "pause", lambda: slow.pause(10))
        await anyio.wait_all_tasks_blocked()
        stop.request()
    assert sorted(stopped) == ["budget", "pause"]


async def test_a_stop_ends_no_call_that_is_under_way(caller: Caller, stop: Stop) -> None:
    """Once sent, a call is waited for, since what it did must be known; only the next one is not made."""
    answers = anyio.Event()
    made: list[str] = []

    async def send() -> str:
        await answers.wait()
        return "done"

    async def call() -> None:
        made.append(await caller.call(API, send))
        with pytest.raises(StoppedError):
            await caller.call(API, send)

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        stop.request()
        await anyio.wait_all_tasks_blocked()
        assert made == []
        answers.set()
    assert made == ["done"]


async def test_a_call_under_way_outlives_a_cancellation(caller: Caller) -> None:
    """Even a scope that is cancelled waits for the answer, so that what was done can be recorded."""
    answers, finished = anyio.Event(), anyio.Event()

    async def send() -> None:
        await answers.wait()
        finished.set()

    async with anyio.create_task_group() as group:
        group.start_soon(caller.attempt, API, send)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
        answers.set()
    assert finished.is_set()
