"""Dask's client, without what it would do for others in the cluster unasked.

``distributed.Client`` subscribes itself to the topics ``print`` and ``warn``, to which each client and each task
may send. What comes by ``print`` it writes to standard output as it is; what comes by ``warn`` it unpickles, and a
pickle runs what its sender wants. A run needs neither.

This module imports Dask, which is an extra: only ``connection`` imports it, once a run asks for a cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from distributed import Client

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DeafClient"]


class DeafClient(Client):  # type: ignore[misc]  # Dask is an extra
    """A client without topics: an event for which there is no handler is dropped."""

    def subscribe_topic(self, topic: str, handler: Callable[..., Any]) -> None:
        """Do nothing, also for the topics that Dask subscribes each of its clients to."""
