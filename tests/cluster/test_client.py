"""What others in a cluster can have the station do by a message that it did not ask for."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from distributed import LocalCluster

from pipeline.cluster.connection import connect
from pipeline.settings import Cluster
from tests.cluster.machines import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("cluster")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[LocalCluster]:
    """A scheduler and a worker, in this process and on loopback."""
    options = {"protocol": "tcp", "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(1, threads_per_worker=1, processes=False, worker_dashboard_address=None, **options) as found:
        yield found


class MakesFolder:
    """As a pickle, it makes a folder wherever it is opened."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._path),)


@pytest.mark.parametrize(
    "forged", [False, True], ids=["own topics", "topics that another client subscribed it to"]
)
def test_what_others_send_unasked_is_neither_run_nor_printed(
    scheduler: LocalCluster, tmp_path: Path, capfd: pytest.CaptureFixture[str], forged: bool
) -> None:
    """A pickle on the topic of warnings is not opened, and a text on that of prints reaches no terminal."""
    where = Cluster(scheduler.scheduler_address, insecure=True)
    station, other = connect(where), connect(where)
    try:
        if forged:
            for topic in ("warn", "print"):
                other._send_to_scheduler({"op": "subscribe-topic", "topic": topic, "client": station.id})
            until(lambda: len(subscribed(scheduler, station.id)) == 2)
        messages: list[tuple[str, Any]] = [
            ("warn", {"message": pickle.dumps(MakesFolder(tmp_path / "made"))}),
            ("print", "\x1b[2J"),
            ("print", {"args": ("\x1b[2J",), "file": 2}),
        ]
        for topic, message in messages:
            other.log_event(topic, message)
        # The scheduler says all to a client in one order: with this answer, what it sent before has been there.
        assert station.submit(int, pure=False).result(20) == 0
    finally:
        for client in (station, other):
            client.close()
    assert len(scheduler.scheduler.get_events("warn")) >= 1
    assert not (tmp_path / "made").exists()
    assert capfd.readouterr() == ("", "")


def subscribed(scheduler: LocalCluster, client: str) -> list[str]:
    """Return the topics whose events a client is sent."""
    topics = scheduler.scheduler._broker._topics
    return [name for name, topic in topics.items() if client in topic.subscribers]
