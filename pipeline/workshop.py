"""What the runs of one process share: who makes keys, who writes files, and the pace of ``--rate``."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

import anyio

from pipeline.aws.limiter import Budget
from pipeline.keymaking import LocalKeys
from pipeline.workers import CHEAP, COSTLY, Workers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from pipeline.cluster.making import ClusterKeys
    from pipeline.device import KeyReceipt
    from pipeline.keymaking import KeyMakers, KeyOrder
    from pipeline.settings import KeyType, Settings
    from pipeline.stop import Stop

__all__ = ["Customer", "Pace", "Workshop", "open_workshop"]


@dataclass(slots=True)
class _Cluster:
    """A cluster that is connected to once, for all runs."""

    keys: ClusterKeys
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    is_connected: bool = False


class Customer:
    """The makers of keys as one run has them: of what waits for them it knows its own.

    Args:
        makers: Who makes the keys of all runs, first come, first served.
        orders: What all runs have asked for and do not have yet, in this order, with whose it is.
    """

    def __init__(self, makers: KeyMakers, orders: dict[object, Customer]) -> None:
        self._makers = makers
        self._orders = orders

    @property
    def waiting(self) -> int:
        """How many of this run's keys are not yet in work: those among the last that came to all."""
        last = islice(reversed(self._orders.values()), self._makers.waiting)
        return sum(whose is self for whose in last)

    async def make(self, order: KeyOrder) -> KeyReceipt:
        """Have a key on disk, and return the receipt for it.

        Raises:
            ThingmillError: It cannot be had; a ``DeviceError`` where that is this device's own trouble.
        """
        place = object()
        self._orders[place] = self
        try:
            return await self._makers.make(order)
        finally:
            del self._orders[place]


class Pace:
    """The pace of ``--rate`` as one run has it: of what waits for it it knows its own.

    Args:
        budget: That of all runs.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.waiting = 0

    @property
    def rate(self) -> float:
        """Devices per second of all runs together."""
        return self.budget.rate

    async def acquire(self) -> None:
        """Wait for leave to begin one device. A wait that is cancelled costs nothing."""
        self.waiting += 1
        try:
            await self.budget.acquire()
        finally:
            self.waiting -= 1


@dataclass(slots=True)
class Workshop:
    """Where keys are made and files are written.

    Attributes:
        key_makers: Make keys.
        writers: Write bundles.
        rate: How many devices a second may be begun, or None.
    """

    key_makers: KeyMakers
    writers: Workers
    rate: Pace | None
    _cluster: _Cluster | None = None
    _orders: dict[object, Customer] = field(default_factory=dict)

    def for_run(self) -> Workshop:
        """Return the workshop as one of several runs has it, which is told what waits there of its own devices."""
        rate = None if self.rate is None else Pace(self.rate.budget)
        return replace(self, key_makers=Customer(self.key_makers, self._orders), rate=rate)

    async def prepare(self, stop: Stop) -> None:
        """Have a cluster connected to, where one makes the keys; the first that needs keys waits for it.

        Raises:
            StoppedError: Whoever waited was asked to stop.
            ThingmillError: There is no cluster that can be used.
        """
        if self._cluster is None:
            return
        with stop.interruptible():
            async with self._cluster.lock:
                if not self._cluster.is_connected:
                    await self._cluster.keys.connect()
                    self._cluster.is_connected = True


@asynccontextmanager
async def open_workshop(
    settings: Settings, key_types: Iterable[KeyType], note: Callable[[str], None]
) -> AsyncIterator[Workshop]:
    """Open one for the length of the block. Its processes begin with their first jobs, and finish those in work.

    Args:
        settings: How many make keys, or which cluster does, and the rate.
        key_types: The keys that are to be made.
        note: Is told what a person should know.
    """
    batch = COSTLY if any(key_type.startswith("rsa") for key_type in key_types) else CHEAP
    rate = Pace(Budget(settings.rate)) if settings.rate else None
    async with AsyncExitStack() as stack:
        here = LocalKeys(await stack.enter_async_context(Workers(settings.workers, batch)))
        writers = await stack.enter_async_context(Workers(1, CHEAP))
        if settings.cluster is None:
            yield Workshop(here, writers, rate)
            return
        from pipeline.cluster.making import ClusterKeys  # noqa: PLC0415  needs an extra

        there = await stack.enter_async_context(ClusterKeys(settings.cluster, batch, here, note))
        yield Workshop(there, writers, rate, _Cluster(there))
