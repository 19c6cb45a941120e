"""What others in a cluster can have the station do by a message it did not ask for, and what a client leaves."""

from __future__ import annotations

import gc
import os
import pickle
import socket
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask
import pytest
from distributed import LocalCluster

from pipeline.cluster.connection import connect
from pipeline.errors import ThingmillError
from pipeline.settings import Cluster
from tests.cluster.authority import Authority
from tests.cluster.machines import until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("cluster")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[LocalCluster]:
    """A scheduler and a worker, in this process and on loopback."""
    options: dict[str, Any] = {"protocol": "tcp", "host": "127.0.0.1", "n_workers": 1, "threads_per_worker": 1}
    options |= {"dashboard_address": "127.0.0.1:0", "worker_dashboard_address": None}
    with LocalCluster(processes=False, **options) as found:
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


@contextmanager
def stranger(says: bytes) -> Iterator[int]:
    """Listen at a port, say the same to whoever comes, and hang up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            # Which ends by the server being shut down.
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(says)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


# Tornado leaves the socket of a handshake that failed to the collector.
@pytest.mark.filterwarnings("ignore:unclosed.*socket:ResourceWarning")
@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["hangs up", "talks first"])
def test_a_client_that_cannot_connect_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: bytes
) -> None:
    """A run may try for hours: after each attempt there are as many threads and loops as there were before."""
    for name, value in Authority(tmp_path / "authority").client().items():
        monkeypatch.setenv(name, value)
    dask.config.refresh()
    before = loops()
    with stranger(says) as port:
        for _ in range(5):
            with pytest.raises(ThingmillError, match="or it speaks no TLS"):
                connect(Cluster(f"tls://127.0.0.1:{port}"))
            assert loops() == before
    # Where nobody listens any more. A new loop has tornado forget the last one, and its sockets with it.
    monkeypatch.setattr("pipeline.cluster.connection._CONNECT_SECONDS", 0.5)
    with pytest.raises(OSError, match="Timed out"):
        connect(Cluster(f"tls://127.0.0.1:{port}"))
    assert loops() == before
    gc.collect()
    monkeypatch.undo()
    dask.config.refresh()


def test_a_client_that_closed_by_itself_leaves_nothing_either(scheduler: LocalCluster) -> None:
    """Dask closes a client that cannot connect again, and leaves its loop to whoever closes it once more."""
    before = loops()
    client = connect(Cluster(scheduler.scheduler_address, insecure=True))
    assert loops() != before
    client.sync(client._close)
    client.close()
    assert loops() == before


def loops() -> tuple[int, int]:
    """Return how many threads of loops there are, and, where Linux tells, how many files they wait at (epoll)."""
    told = Path("/proc/self/fd")
    files = [str(path.readlink()) for path in told.iterdir() if path.is_symlink()] if told.is_dir() else []
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("IO loop")]
    return len(threads), files.count("anon_inode:[eventpoll]")
