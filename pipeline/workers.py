"""Processes for what would hold up the event loop: the arithmetic of keys, and files with their fsyncs.

A key is generated, written and forgotten inside one worker; only its receipt comes back. From a cluster, whose
workers have not this disk, the key itself comes, sealed to this process (``cluster.making``).

Cheap jobs go many to a task and costly ones singly, so that handing tasks over stays small beside the work. A
worker that dies is replaced and its jobs are done again, so a job has to be one that may be: a key that was
written already is taken up as it is, and a bundle that has its place already is recognised.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import connection, resource_tracker
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import anyio
import anyio.to_thread

from pipeline.errors import ThingmillError
from pipeline.hardening import harden

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

__all__ = ["CHEAP", "COSTLY", "UnfitAnswerError", "Workers", "attempt", "process_pool", "unforeseen"]

T = TypeVar("T")

COSTLY = 1
"""Jobs to a task where one takes a large part of a second, as an RSA key does."""

CHEAP = 32
"""Jobs to a task where one takes a millisecond or two: tenths of it for handing over what takes 32 or more."""

_AT_ONCE = 16
"""Cheap jobs that a worker has in work at once."""

_PLACES = 6
"""Places in the code that are named where a worker fails unforeseen."""

_MOST_REPLACEMENTS = 3
"""Pools in a row that may break without finishing a task, before the machine is taken to be at fault."""


class UnfitAnswerError(ThingmillError):
    """What came back for a task is not one result for each of its jobs; a cluster may answer anything."""


def process_pool(workers: int) -> Executor:
    """Return a pool of processes that keep what they hold to themselves.

    They come from a fork server, never from a plain fork: this process has threads, and a forked copy of it
    could inherit a lock that nobody will release.
    """
    _start_tracker()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pipeline.workers", "pipeline.keys", "pipeline.staging"])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_settle)


def _start_tracker() -> None:
    """Start what removes the semaphores of a pool whose own process was killed, without its warning.

    On the terminal of whoever killed the run it would be read as a fault, and they are removed all the same.
    """
    before = os.environ.get("PYTHONWARNINGS", "")
    os.environ["PYTHONWARNINGS"] = f"{before},ignore:resource_tracker:UserWarning".lstrip(",")
    try:
        resource_tracker.ensure_running()
    finally:
        if before:
            os.environ["PYTHONWARNINGS"] = before
        else:
            del os.environ["PYTHONWARNINGS"]


def _dying() -> ThingmillError:
    return ThingmillError(
        "the worker processes die again and again",
        advice="look for a lack of memory in the system's log, or try fewer with --workers",
    )


class Workers:
    """Does jobs concurrently, in the processes of an executor; one that breaks is replaced, its jobs done again.

    Args:
        workers: How many jobs are done at once, or what says so where that changes.
        batch: How many jobs go to a task at the most: ``CHEAP`` or ``COSTLY``.
        executor: Makes the executor; ``process_pool`` unless they are elsewhere, or a test knows better.
        given_up: Returns what is said where executors break again and again.
    """

    def __init__(
        self,
        workers: int | Callable[[], int],
        batch: int,
        executor: Callable[[int], Executor] = process_pool,
        given_up: Callable[[], ThingmillError] = _dying,
    ) -> None:
        self._workers = workers
        self._batch = batch
        self._make_executor = executor
        self._given_up = given_up
        self._executor: Executor | None = None
        # Executors queue by themselves; what may wait is a first task, for a fork server or for a cluster.
        self._submitting = anyio.CapacityLimiter(1)
        self._waiting: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures_in_a_row = 0
        self._replacing = anyio.Lock()

    @property
    def waiting(self) -> int:
        """How many jobs are asked for and not yet in work."""
        return len(self._waiting)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        # Jobs in work are finished, not killed: a worker that is just writing leaves no temporary file so.
        with anyio.CancelScope(shield=True):
            for task in self._tasks:
                task.cancel()
            if self._executor is not None:
                await anyio.to_thread.run_sync(partial(self._executor.shutdown, cancel_futures=True))

    def _at_once(self) -> int:
        return self._workers if isinstance(self._workers, int) else self._workers()

    def _current(self) -> Executor:
        if self._executor is None:
            self._executor = self._make_executor(self._at_once())
        return self._executor

    async def do(self, job: Callable[[], T]) -> T:
        """Have a job done, and return what it returned.

        Args:
            job: What can be pickled, such as a ``partial`` of a module's function, and may be done more than once.

        Raises:
            UnfitAnswerError: What came back is not one result for each job.
            ThingmillError: The job's own, or workers die again and again.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, future))
        self._fill()
        return cast("T", await future)

    def _fill(self) -> None:
        """Hand over tasks while a worker could run dry, at most one waiting behind each."""
        at_once = self._at_once()
        while self._waiting and len(self._tasks) < 2 * at_once:
            share = -(-len(self._waiting) // at_once)
            size = min(self._batch, share)
            batch = [self._waiting.popleft() for _ in range(size)]
            # A caller that was told to stop no longer waits for its job.
            batch = [(job, future) for job, future in batch if not future.done()]
            if batch:
                task = asyncio.create_task(self._run(batch))
                self._tasks.add(task)
                task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._fill()

    async def _run(self, batch: list[tuple[Callable[[], Any], asyncio.Future[Any]]]) -> None:
        jobs = [job for job, _ in batch]
        try:
            async with self._submitting:
                executor = self._current()
                # In a thread: the first task of a pool waits for its fork server to start.
                task = await anyio.to_thread.run_sync(executor.submit, _do, jobs)
            answer = await asyncio.wrap_future(task)
            results = _one_each(answer, len(jobs))
        except BrokenExecutor:
            await self._replace(executor, batch)
            return
        except Exception as error:  # noqa: BLE001  a bug in a worker must reach whoever waits, not hang them
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        self._failures_in_a_row = 0
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, ThingmillError):
                future.set_exception(result)
            else:
                future.set_result(result)

    async def _replace(self, broken: Executor, batch: list[tuple[Callable[[], Any], asyncio.Future[Any]]]) -> None:
        """Put the tasks of a dead worker back in line, for a new pool."""
        async with self._replacing:
            if self._executor is broken:  # each task of the broken pool comes here, the first one replaces it
                # The other workers of the pool end with it, and are waited for: two must not write one file.
                await anyio.to_thread.run_sync(partial(broken.shutdown, cancel_futures=True))
                self._executor = None
                self._failures_in_a_row += 1
        if self._failures_in_a_row > _MOST_REPLACEMENTS:
            problem = self._given_up()
            for _, future in batch:
                if not future.done():
                    future.set_exception(problem)
            return
        self._waiting.extendleft(reversed(batch))


def _do(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run in a worker: one result for each job, so that one that fails takes none of the others along."""
    if len(jobs) == 1:
        return [attempt(jobs[0])]
    # Cheap jobs mostly wait for the disk, and a disk that is asked for several fsyncs at once does them together.
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(attempt, jobs))


def _one_each(answer: object, jobs: int) -> list[Any]:
    if not isinstance(answer, list) or len(answer) != jobs:
        raise UnfitAnswerError("what a worker sent back is not one result for each of its jobs")
    return answer


def attempt(job: Callable[[], Any], what: str = "a worker") -> Any:  # noqa: ANN401  whatever the job returns
    """Return what a job returns, or the error that it ends with; of one that nobody foresaw only its places.

    Args:
        job: What is done.
        what: What failed, in the message of an error that nobody foresaw.
    """
    try:
        return job()
    except ThingmillError as error:
        return error
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  a bug, a library's panic too, must reach whoever waits
        return unforeseen(error, what)


def unforeseen(error: BaseException, what: str) -> ThingmillError:
    """Return what is said of an error that nobody foresaw where keys are at hand: its kind and its places.

    A library that was given a key may quote it, so its own words stay in this process.

    Args:
        error: What was raised.
        what: What failed.
    """
    frames = traceback.extract_tb(error.__traceback__)[-_PLACES:]
    places = ", ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames)
    return ThingmillError(
        f"{what} failed in a way that nobody foresaw: {type(error).__name__} at {places}",
        advice="this is a fault of thingmill or of a library: report it with these places",
    )


def _settle() -> None:
    """Run in a new worker, before any key exists there."""
    # Ctrl-C reaches every process of the terminal; only the coordinator decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    harden()
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """End this worker when the coordinator is gone, however it went: nobody else would."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
