"""The keys of a run, made on a cluster: ordered there, opened here in memory, stored as any other key is."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Self, cast

import anyio
import anyio.to_thread

from pipeline import keys
from pipeline.cluster.channel import Channel
from pipeline.cluster.executor import ClusterExecutor
from pipeline.cluster.job import make_sealed
from pipeline.errors import ThingmillError
from pipeline.hardening import harden
from pipeline.workers import UnfitAnswerError, Workers, attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.cluster.job import Wanted
    from pipeline.device import KeyReceipt
    from pipeline.keymaking import KeyMakers, KeyOrder
    from pipeline.settings import Cluster

__all__ = ["ClusterKeys"]


class ClusterKeys:
    """Makes keys on a cluster. A key that is on disk already is taken up here, and no worker is asked.

    What a worker made is opened and stored in a thread of this process. So it is in the memory of two processes,
    the worker's and this one's, and crosses between them sealed.

    Args:
        cluster: Which.
        batch: How many keys go to a task at the most (``workers``).
        here: Takes up keys that were made before.
        note: Is told what a person should know.
    """

    def __init__(self, cluster: Cluster, batch: int, here: KeyMakers, note: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._here = here
        self._tell = note
        self._executor: ClusterExecutor | None = None
        self._ready: ClusterExecutor | None = None
        self._workers = Workers(self._threads, batch, self._next_executor, _given_up)
        self._storing = anyio.CapacityLimiter(16)

    @property
    def waiting(self) -> int:
        """How many keys are asked for and not yet in work."""
        return self._workers.waiting + self._here.waiting

    async def __aenter__(self) -> Self:
        # From here on keys are in this process, which makes the calls and has threads: nobody else may look.
        harden()
        self._loop = asyncio.get_running_loop()
        self._channel = Channel()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._workers.__aexit__(*exc_info)
        with anyio.CancelScope(shield=True):
            if self._ready is not None:
                await anyio.to_thread.run_sync(self._ready.shutdown)

    async def connect(self) -> None:
        """Connect before the first key is wanted, so that what is wrong with the cluster is told first.

        Raises:
            ThingmillError: There is no cluster that can be used.
        """
        # Each target comes here until one has connected; what one waited for in vain, the next hears at once.
        if self._ready is None:
            self._ready = self._executor = ClusterExecutor(self._cluster, self._note)
        # Who asks for a stop need not wait for an answer that may never come.
        await anyio.to_thread.run_sync(self._ready.connect, abandon_on_cancel=True)

    async def make(self, order: KeyOrder) -> KeyReceipt:
        """Have a key on disk, and return the receipt for it.

        Raises:
            DeviceError: It is not the device's, not there any more, or no key came back.
            DiskError: The disk refused.
            ThingmillError: The cluster is gone.
        """
        if order.expected is not None or keys.key_file(order.folder, order.thing_name) is not None:
            return await self._here.make(order)
        wanted = self._channel.wanted(order)
        answer: object
        try:
            answer = await self._workers.do(partial(make_sealed, wanted))
        except UnfitAnswerError:
            answer = None  # no sealed key, so it fails the device
        return await anyio.to_thread.run_sync(self._store, order, wanted, answer, limiter=self._storing)

    def _store(self, order: KeyOrder, wanted: Wanted, answer: object) -> KeyReceipt:
        # As in a worker: what a library says of a key may quote it, and stays in this process.
        found = attempt(partial(self._opened_and_stored, order, wanted, answer), "the storing of a key")
        if isinstance(found, ThingmillError):
            raise found
        return cast("KeyReceipt", found)

    def _opened_and_stored(self, order: KeyOrder, wanted: Wanted, answer: object) -> KeyReceipt:
        made = self._channel.open(wanted, answer)
        return order.carry_out(lambda *_: made)

    def _threads(self) -> int:
        return max(self._executor.threads, 1) if self._executor is not None else 1

    def _next_executor(self, _: int) -> ClusterExecutor:
        # One that is connected already is used first, also where it broke meanwhile: then it is replaced.
        self._executor, self._ready = self._ready or ClusterExecutor(self._cluster, self._note), None
        return self._executor

    def _note(self, message: str) -> None:
        """Pass on what another thread has to say."""
        with contextlib.suppress(RuntimeError):  # the run is over
            self._loop.call_soon_threadsafe(self._tell, message)


def _given_up() -> ThingmillError:
    return ThingmillError(
        "the cluster loses its work again and again",
        advice="look at the logs of its scheduler and workers, for a lack of memory first; what was done is kept, "
        "so run the same command again",
    )
