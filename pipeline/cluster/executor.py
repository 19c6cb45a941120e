"""A cluster as a ``concurrent.futures.Executor``, which breaks as a pool of processes does and is replaced as one.

Dask does a lost worker's tasks again by itself. What it cannot mend is that the connection to the scheduler is
gone, that a task has outlived too many workers, or that no worker is left that may do it: then this executor is
broken (``BrokenExecutor``), and whoever holds it makes another, which connects anew.

Only workers that were looked at get tasks: a task names those that may have it. A worker that joins later is
looked at first, and one that has other versions is named and left alone; the executor that replaces this one knows
nothing of that, and names it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import TYPE_CHECKING, Any

from pipeline.cluster.connection import connect
from pipeline.cluster.roll import Roll
from pipeline.errors import ThingmillError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.settings import Cluster

__all__ = ["BrokenClusterError", "ClusterExecutor"]

_PATIENCE_SECONDS = 60.0
"""How long a scheduler may be away, or be without a worker that can be used."""

_SAY_AFTER_SECONDS = 3.0
"""Waits that are shorter are not worth a word."""

_LOOK_SECONDS = 1.0
"""How often the connection and the workers are looked at."""

_TRY_AGAIN_SECONDS = 0.5

_START = "see that it runs and can be reached; what was done is kept, so run the same command again"


class BrokenClusterError(BrokenExecutor):
    """The cluster lost what it was given to do, and has to be connected to anew."""


class ClusterExecutor(Executor):
    """Submits to the workers of a cluster that have the same versions as this process.

    Args:
        cluster: Which.
        note: Is told in a sentence what a person should know; called from other threads.
        patience: Seconds that the scheduler may be away or without a worker, and that a result may take to come.
    """

    def __init__(self, cluster: Cluster, note: Callable[[str], None], patience: float = _PATIENCE_SECONDS) -> None:
        self._cluster = cluster
        self._note = note
        self._patience = patience
        self._client: Any = None
        self._comm: Any = None
        self._is_connected = False
        self._roll = Roll(cluster.scheduler, note, encrypted=not cluster.insecure)
        self._pending: dict[Future[Any], frozenset[str]] = {}
        self._lock = threading.Lock()
        self._connecting = threading.Lock()
        self._closed = threading.Event()
        self._trouble: Exception | None = None

    @property
    def threads(self) -> int:
        """How many tasks the workers that may be used do at once; 0 before there is a connection."""
        return self._roll.threads

    def connect(self) -> None:
        """Connect, and wait until there is a worker that may be used; nothing where that was done before.

        Raises:
            ThingmillError: The scheduler, or a worker that may be used, did not turn up in time; or Dask's
                configuration cannot be used.
            BrokenClusterError: This executor was shut down meanwhile, or was broken before.
        """
        with self._connecting:
            if self._trouble is not None:
                raise self._trouble
            if self._is_connected:
                return
            try:
                self._connect()
            except ThingmillError as error:
                self._trouble = error  # whoever comes next need not wait as long to hear the same
                self._let_go()
                raise
            self._is_connected = True
            threading.Thread(target=self._watch, name="cluster-watch", daemon=True).start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401
        """Have a worker of the cluster do something; connects first, where that was not done yet.

        Raises:
            ThingmillError: As ``connect``.
            BrokenClusterError: As ``connect``; or no worker is left that may be used.
        """
        self.connect()
        places = self._roll.usable
        if not places:
            # To Dask, none named would be all of them.
            raise BrokenClusterError("no worker is left")
        outer: Future[Any] = Future()
        # From here on nobody can cancel it: it ends once, by whoever takes it out of those that are pending.
        outer.set_running_or_notify_cancel()
        with self._connecting:  # so the client is not closed meanwhile
            with self._lock:
                if self._trouble is not None:
                    raise self._trouble
                self._pending[outer] = places
            try:
                # Not pure: two orders that are alike are for two keys.
                task = self._client.submit(fn, *args, pure=False, workers=sorted(places), **kwargs)
            except Exception as error:
                self._pending.pop(outer, None)
                raise BrokenClusterError(type(error).__name__) from error
            # Not by Dask's own executor: there, what cannot be fetched never ends.
            inner = asyncio.run_coroutine_threadsafe(
                _fetched(task, self._patience), self._client.loop.asyncio_loop
            )
        inner.add_done_callback(lambda done: self._settle(outer, done))
        return outer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002  as the base
        """Let go of the cluster; what it still does for this run is given up, and leaves nothing half done."""
        self._break(BrokenClusterError("shut down"))
        with self._connecting:
            self._let_go()

    def _connect(self) -> None:
        waited = _Wait(self._note, self._patience, self._closed)
        where = f"the scheduler at {printable(self._cluster.scheduler)}"
        while not self._roll.usable:
            try:
                if self._client is None:
                    self._client = connect(self._cluster)
                    self._comm = self._client.scheduler_comm
                self._roll.call(self._client)
            except (OSError, ImportError) as error:
                self._let_go()
                waited.on(f"{where} does not answer ({_cause(error)})", _START)
            else:
                if not self._roll.usable:
                    waited.on(f"{where} has no worker that can be used", self._roll.advice)

    def _let_go(self) -> None:
        client, self._client, self._comm = self._client, None, None
        if client is not None:
            # Not only OSError: a client that was just reconnecting can trip over itself.
            with contextlib.suppress(Exception):
                client.close(timeout=5)

    def _watch(self) -> None:
        """Look after the connection and the workers until either is lost; runs in a thread of its own."""
        while not self._closed.wait(_LOOK_SECONDS):
            client = self._client
            try:
                # Dask connects again by itself, but to a scheduler that may know nothing of what it was given.
                if client.status != "running" or client.scheduler_comm is not self._comm:
                    break
                self._roll.call(client)
            except Exception:  # noqa: BLE001  whatever a connection dies of
                break
            with self._lock:
                stranded = any(not places & self._roll.usable for places in self._pending.values())
            if stranded:
                break
        self._break(BrokenClusterError("the connection or the workers were lost"))

    def _break(self, trouble: Exception) -> None:
        self._closed.set()
        with self._lock:
            self._trouble = self._trouble or trouble
            pending, self._pending = self._pending, {}
        for outer in pending:
            outer.set_exception(trouble)

    def _settle(self, outer: Future[Any], inner: Future[Any]) -> None:
        with self._lock:
            if self._pending.pop(outer, None) is None:
                return  # it was given up
        if inner.cancelled():
            outer.set_exception(BrokenClusterError("cancelled"))
        elif (error := inner.exception()) is not None:
            # A job raises nothing (``workers``), so this is the cluster's: a task that outlived too many workers,
            # a result that could not be fetched. What it says may be foreign.
            outer.set_exception(BrokenClusterError(type(error).__name__))
        else:
            outer.set_result(inner.result())


class _Wait:
    """A wait for the cluster, said once and not without an end."""

    def __init__(self, note: Callable[[str], None], patience: float, closed: threading.Event) -> None:
        self._note = note
        self._patience = patience
        self._closed = closed
        self._since = time.monotonic()
        self._said = False

    def on(self, what: str, advice: str) -> None:
        """Wait a moment longer.

        Args:
            what: What is waited for.
            advice: What to do about it.

        Raises:
            ThingmillError: It took too long.
            BrokenClusterError: Nobody wants it any more.
        """
        passed = time.monotonic() - self._since
        if passed >= self._patience:
            raise ThingmillError(f"{what}, for {self._patience:g} seconds now", advice=advice)
        if passed >= min(_SAY_AFTER_SECONDS, self._patience / 2) and not self._said:
            self._said = True
            self._note(f"{what}; waiting up to {self._patience:g} seconds")
        if self._closed.wait(_TRY_AGAIN_SECONDS):
            raise BrokenClusterError("shut down")


def _cause(error: BaseException) -> str:
    """Return what the system said, where Dask wraps that into errors of its own."""
    found, cause = error, error.__cause__
    while cause is not None:
        found, cause = (cause if isinstance(cause, OSError) and str(cause) else found), cause.__cause__
    return printable(str(found) or type(found).__name__, 200)


async def _fetched(task: Any, seconds: float) -> Any:  # noqa: ANN401  whatever the job returns
    """Return what a task returned, and have the cluster forget it, however it ends; runs in the client's loop."""
    try:
        await task.exception()  # there is one or none as soon as it is done
        # For Dask there is no end to it: what a worker has and cannot send, it is asked for again and again.
        return await asyncio.wait_for(task, seconds)
    finally:
        task.release()
