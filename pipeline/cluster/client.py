"""Dask's client, without what it would do for others in the cluster unasked, and without what it leaves behind.

``distributed.Client`` subscribes itself to the topics ``print`` and ``warn``, to which each client and each task
may send. What comes by ``print`` it writes to standard output as it is; what comes by ``warn`` it unpickles, and a
pickle runs what its sender wants. A run needs neither.

Its loop has a thread and files of its own. They stay where a client cannot connect, or is closed by a connection
that it lost; a run that waits for its scheduler would have one more of them with each attempt.

This module imports Dask, which is an extra: only ``connection`` imports it, once a run asks for a cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from distributed import Client

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DeafClient"]


class DeafClient(Client):  # type: ignore[misc]  # Dask is an extra
    """A client without topics, whose loop ends with it: an event for which there is no handler is dropped."""

    def subscribe_topic(self, topic: str, handler: Callable[..., Any]) -> None:
        """Do nothing, also for the topics that Dask subscribes each of its clients to."""

    def start(self, **options: Any) -> None:  # noqa: ANN401  as Dask has them
        """Connect, or leave nothing behind.

        Raises:
            OSError: As ``Client``, as all others.
        """
        try:
            super().start(**options)
        except BaseException:
            self.close()
            raise

    def close(self, *options: Any, **more: Any) -> None:  # noqa: ANN401  as above
        """Close, and end the loop also where the client had closed by itself."""
        try:
            super().close(*options, **more)
        finally:
            # Asked first: the collector calls this too, in whatever is being done, and ``stop`` takes a lock that
            # is held there.
            if self._loop_runner.is_started():
                self._loop_runner.stop()
