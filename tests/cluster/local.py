"""A cluster in the process of the tests, without TLS."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from distributed import LocalCluster

from pipeline.settings import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["NOWHERE", "at", "cluster"]

NOWHERE = Cluster("tcp://127.0.0.1:9", insecure=True)
"""Where nobody listens (discard, RFC 863)."""


@contextmanager
def cluster(workers: int = 1, port: int = 0) -> Iterator[LocalCluster]:
    """A scheduler and workers in this process, which speak over sockets all the same."""
    options = {"protocol": "tcp", "host": "127.0.0.1", "scheduler_port": port}
    options |= {"n_workers": workers, "threads_per_worker": 2}
    options |= {"dashboard_address": "127.0.0.1:0", "worker_dashboard_address": None}
    with LocalCluster(processes=False, **options) as found:
        yield found


def at(found: LocalCluster) -> Cluster:
    return Cluster(found.scheduler_address, insecure=True)
