"""The double of AWS IoT in a process of its own, so that its work is nobody else's time.

>>> with Double() as double:
...     double.ask(limit, "CreateCertificateFromCsr", 15.0, 1.5)
...     ...  # run something against double.url
...     calls = double.ask(arrivals, "CreateCertificateFromCsr")
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, Self, TypeVar, cast

from tests.support.awsiot import AwsIotDouble

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from types import TracebackType

__all__ = ["POLICY", "Arrival", "Double", "arrivals", "busy_seconds", "limit", "make_policy", "total"]

P = ParamSpec("P")
T = TypeVar("T")

POLICY = "bench"
"""The policy that ``make_policy`` makes."""

_PATIENCE_SECONDS = 60.0


class Arrival(NamedTuple):
    """One call as the double saw it: when it came and was answered (its own clock, seconds), and with what."""

    started: float
    ended: float
    outcome: str


class Double:
    """Runs a double in a child process while the ``with`` block lasts.

    Args:
        latency: Seconds before each answer.

    Attributes:
        url: Where it listens, on the loopback.
        pid: Its process.
    """

    def __init__(self, latency: float = 0.0) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_main, args=(theirs, latency), daemon=True)
        self._theirs = theirs

    def __enter__(self) -> Self:
        self._process.start()
        self._theirs.close()
        self.url = str(self._answer())
        self.pid = self._process.pid or 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join(_PATIENCE_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def ask(self, question: Callable[Concatenate[AwsIotDouble, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a module's function with the double, between two steps of it, and return the answer."""
        self._pipe.send((question, args, kwargs))
        return cast("T", self._answer())

    def _answer(self) -> object:
        if not self._pipe.poll(_PATIENCE_SECONDS):
            raise TimeoutError("the double does not answer")
        answer: object = self._pipe.recv()
        if isinstance(answer, BaseException):
            raise answer
        return answer


def limit(double: AwsIotDouble, operation: str, rate: float, burst: float) -> None:
    """Throttle an operation."""
    double.throttle.limit(operation, rate, burst)


def make_policy(double: AwsIotDouble) -> None:
    """Make the policy that devices are to get."""
    double.account.create_policy(POLICY, '{"Version": "2012-10-17", "Statement": []}')


def arrivals(double: AwsIotDouble, operation: str | None = None) -> list[Arrival]:
    """Return all calls, or those of one operation, in the order they came."""
    return [
        Arrival(call.started, call.ended or call.started, call.outcome) for call in double.journal.find(operation)
    ]


def busy_seconds(double: AwsIotDouble) -> float:
    """Return from the first thing that is asked for to the last answer about any."""
    calls = [call for call in double.journal.calls if call.operation in _OF_DEVICES]
    return max(call.ended or call.started for call in calls) - min(call.started for call in calls)


def total(double: AwsIotDouble, operation: str | None = None) -> int:
    """Return how many calls came, of one operation or of all."""
    return double.journal.count(operation)


_OF_DEVICES = frozenset(
    {"DescribeThing", "CreateThing", "CreateCertificateFromCsr", "AttachThingPrincipal", "AttachPolicy"}
)


def _main(pipe: Connection[Any, Any], latency: float) -> None:
    # Ctrl-C is for the benchmark, which closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_serve(pipe, latency))


async def _serve(pipe: Connection[Any, Any], latency: float) -> None:
    async with AwsIotDouble(latency=latency) as double:
        over = asyncio.Event()

        def answer() -> None:
            try:
                question, args, kwargs = pipe.recv()
            except EOFError:
                asyncio.get_running_loop().remove_reader(pipe.fileno())
                over.set()
                return
            try:
                pipe.send(question(double, *args, **kwargs))
            except Exception as error:  # noqa: BLE001  it is raised where the question was asked
                pipe.send(error)

        asyncio.get_running_loop().add_reader(pipe.fileno(), answer)
        pipe.send(double.url)
        await over.wait()
