"""The double in a thread with an event loop of its own, for tests that run the command line as a process."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Self, TypeVar

from tests.support.awsiot.server import AwsIotDouble

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

__all__ = ["DoubleThread"]

T = TypeVar("T")


class DoubleThread:
    """Runs a double in the background while the ``with`` block lasts.

    Its state belongs to its loop: look at it, and change it, by ``run`` only.

    Args:
        double: The double to run; one without faults, if not given. Its hook is called in the thread.
    """

    _loop: asyncio.AbstractEventLoop

    def __init__(self, double: AwsIotDouble | None = None) -> None:
        self._double = AwsIotDouble() if double is None else double
        self._stop = asyncio.Event()
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=self._main, name="aws-iot-double", daemon=True)
        self._failure: BaseException | None = None

    @property
    def url(self) -> str:
        """Where the double listens."""
        return self._double.url

    def run(self, question: Callable[[AwsIotDouble], T]) -> T:
        """Call ``question`` with the double in its own thread, between two steps of it, and return the answer."""

        async def ask() -> T:
            return question(self._double)

        return self._submit(ask(), None)

    def until(self, condition: Callable[[AwsIotDouble], bool], timeout: float = 30.0) -> None:
        """Wait until ``condition`` holds of the double.

        Raises:
            TimeoutError: It did not within ``timeout`` seconds.
        """
        self._submit(self._double.until(lambda: condition(self._double)), timeout)

    def _submit(self, work: Coroutine[object, object, T], timeout: float | None) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        self._started.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if error is None and self._failure is not None:
            raise self._failure

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._live())
            except BaseException as error:  # noqa: BLE001 - carried over to the thread that waits
                self._failure = error
                if not self._started.done():
                    self._started.set_exception(error)

    async def _live(self) -> None:
        async with self._double:
            self._started.set_result(None)
            await self._stop.wait()
