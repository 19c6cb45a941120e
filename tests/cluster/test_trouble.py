"""What an executor makes of workers that do not answer, answer what cannot be read, or are not to be used."""

from __future__ import annotations

import asyncio
import operator
import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from distributed.versions import get_versions

from pipeline.cluster.connection import connect
from pipeline.cluster.executor import BrokenClusterError, ClusterExecutor
from pipeline.cluster.making import ClusterKeys
from pipeline.cluster.versions import PACKAGES
from pipeline.errors import ThingmillError
from pipeline.keymaking import LocalKeys
from pipeline.workers import CHEAP, Workers
from tests.cluster.local import NOWHERE, at, cluster
from tests.cluster.machines import until

if TYPE_CHECKING:
    from distributed import LocalCluster

pytestmark = [pytest.mark.usefixtures("in_a_hurry", "soft"), pytest.mark.xdist_group("cluster")]


class Unreadable:
    """As a pickle, it is an error wherever it is opened."""

    def __reduce__(self) -> tuple[object, ...]:
        return operator.truediv, (1, 0)


def left(found: LocalCluster) -> bool:
    """Whether the cluster still has anything of a task."""
    return bool(found.scheduler.tasks) or any(worker.state.tasks for worker in found.workers.values())


def test_a_result_that_cannot_be_fetched_ends_all_the_same() -> None:
    """What comes back and cannot be opened ends as a lost worker does, and nobody waits for it for ever."""
    with cluster() as found:
        executor = ClusterExecutor(at(found), pytest.fail)
        with pytest.raises(BrokenClusterError, match="ZeroDivisionError"):
            executor.submit(Unreadable).result(30)
        until(lambda: not left(found))
        executor.shutdown()


def test_a_result_that_its_worker_cannot_send_is_not_asked_for_without_an_end() -> None:
    """Where a worker has made something and cannot read it any more, patience ends, and so does the order."""

    def unread(**_: object) -> None:
        raise ValueError("a disk")

    with cluster() as found:
        found.workers[0].handlers["get_data"] = unread
        executor = ClusterExecutor(at(found), pytest.fail, patience=0.5)
        with pytest.raises(BrokenClusterError, match="TimeoutError"):
            executor.submit(int).result(30)
        until(lambda: not left(found))
        executor.shutdown()


def test_a_task_that_fails_ends_as_well() -> None:
    """An error of a task is the cluster's: its kind is told and nothing of its words, and nothing of it stays."""
    with cluster() as found:
        executor = ClusterExecutor(at(found), pytest.fail)
        with pytest.raises(BrokenClusterError, match=r"^ValueError$"):
            executor.submit(int, "confided").result(30)
        until(lambda: not left(found))
        executor.shutdown()


def test_two_orders_that_are_alike_are_two() -> None:
    """However alike, each is done by itself: two devices never get one key."""
    with cluster() as found:
        executor = ClusterExecutor(at(found), pytest.fail)
        first, second = (executor.submit(os.urandom, 16) for _ in range(2))
        assert first.result(30) != second.result(30)
        executor.shutdown()


GO_ON = threading.Event()


def test_what_is_given_up_stays_nowhere() -> None:
    """A run that ends lets go of what is still in work: neither scheduler nor worker keeps it, or its result."""
    GO_ON.clear()
    with cluster() as found:
        executor = ClusterExecutor(at(found), pytest.fail)
        given_up = [executor.submit(wait_until_told) for _ in range(4)]
        until(lambda: any(worker.state.executing for worker in found.workers.values()))
        executor.shutdown()
        assert all(isinstance(future.exception(0), BrokenClusterError) for future in given_up)
        try:
            until(lambda: not found.scheduler.tasks)
        finally:
            GO_ON.set()
        until(lambda: not left(found))


def wait_until_told() -> bool:
    return GO_ON.wait(60)


def test_a_worker_that_does_not_answer_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one hangs the others get orders, however often it was asked; once it answers it gets some as well."""
    monkeypatch.setattr("pipeline.cluster.roll._ANSWER_SECONDS", 0.5)
    asked: list[object] = []
    with cluster(2) as found:
        go_on = asyncio.Event()

        async def hang(**words: Any) -> object:  # noqa: ANN401  as Dask's
            asked.append(words)
            await go_on.wait()
            return get_versions(packages=words["packages"])

        found.workers[1].handlers["versions"] = hang
        executor = ClusterExecutor(at(found), lambda _: None, patience=5)
        assert executor.submit(int).result(30) == 0
        until(lambda: len(asked) > 2)
        assert executor.submit(int).result(30) == 0
        assert executor.threads == 2
        found.loop.add_callback(go_on.set)
        until(lambda: executor.threads == 4)
        executor.shutdown()


def test_a_worker_that_was_refused_gets_no_orders_when_it_is_the_last() -> None:
    """Where all others have left, an order is not given to whoever is there: whoever has it connects anew."""
    notes: list[str] = []
    with cluster(2) as found:
        packages = get_versions(packages=PACKAGES)["packages"] | {"thingmill": "0.0.9"}
        found.workers[1].handlers["versions"] = lambda **_: {"packages": packages}
        executor = ClusterExecutor(at(found), notes.append)
        executor.connect()
        assert "makes no keys: thingmill 0.0.9" in notes[0]
        found.sync(found.workers[0].close)
        until(lambda: executor.threads == 0)
        with pytest.raises(BrokenClusterError, match="no worker"):
            executor.submit(int)
        executor.shutdown()


@pytest.mark.anyio
async def test_each_target_after_the_first_hears_at_once_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that was waited for in vain is not waited for again by each target of the run."""
    attempts: list[object] = []

    def counted(*words: Any) -> object:  # noqa: ANN401  as the function's own
        attempts.append(words)
        return connect(*words)

    monkeypatch.setattr("pipeline.cluster.executor.connect", counted)
    monkeypatch.setattr("pipeline.cluster.making.ClusterExecutor", partial(ClusterExecutor, patience=0.5))
    async with ClusterKeys(NOWHERE, CHEAP, LocalKeys(Workers(1, CHEAP)), lambda _: None) as makers:
        tries = 0
        for _ in range(3):
            with pytest.raises(ThingmillError, match="does not answer"):
                await makers.connect()
            tries = tries or len(attempts)
        assert len(attempts) == tries > 0
