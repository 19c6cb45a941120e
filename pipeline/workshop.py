"""What the runs of one process share: who makes keys, who writes files, and the pace of ``--rate``."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from pipeline.aws.limiter import Budget
from pipeline.keymaking import LocalKeys
from pipeline.workers import CHEAP, COSTLY, Workers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from pipeline.cluster.making import ClusterKeys
    from pipeline.keymaking import KeyMakers
    from pipeline.settings import KeyType, Settings
    from pipeline.stop import Stop

__all__ = ["Workshop", "open_workshop"]


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
    rate: Budget | None
    _cluster: ClusterKeys | None = None
    _connecting: anyio.Lock = field(default_factory=anyio.Lock)
    _is_connected: bool = False

    async def prepare(self, stop: Stop) -> None:
        """Have a cluster connected to, where one makes the keys; the first that needs keys waits for it.

        Raises:
            StoppedError: Whoever waited was asked to stop.
            ThingmillError: There is no cluster that can be used.
        """
        if self._cluster is None:
            return
        with stop.interruptible():
            async with self._connecting:
                if not self._is_connected:
                    await self._cluster.connect()
                    self._is_connected = True


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
    rate = Budget(settings.rate) if settings.rate else None
    async with AsyncExitStack() as stack:
        here = LocalKeys(await stack.enter_async_context(Workers(settings.workers, batch)))
        writers = await stack.enter_async_context(Workers(1, CHEAP))
        if settings.cluster is None:
            yield Workshop(here, writers, rate)
            return
        from pipeline.cluster.making import ClusterKeys  # noqa: PLC0415  needs an extra

        there = await stack.enter_async_context(ClusterKeys(settings.cluster, batch, here, note))
        yield Workshop(there, writers, rate, there)
