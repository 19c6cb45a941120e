"""The cluster as an executor that breaks, is replaced, waits for what is away, and keeps nothing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio
import pytest
from distributed.versions import get_versions

from pipeline.cluster.executor import BrokenClusterError, ClusterExecutor
from pipeline.cluster.making import ClusterKeys
from pipeline.cluster.versions import PACKAGES
from pipeline.errors import ThingmillError
from pipeline.keymaking import KeyOrder, LocalKeys
from pipeline.keys import public_key_of_csr, spki_sha256
from pipeline.settings import KeyType
from pipeline.workers import CHEAP, Workers
from tests.cluster.local import NOWHERE, at, cluster
from tests.cluster.machines import until

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.device import KeyReceipt

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("soft", "in_a_hurry"),
    pytest.mark.xdist_group("cluster"),
]


async def receipts(makers: ClusterKeys, folder: Path, count: int, kind: str = "d") -> list[KeyReceipt]:
    """Ask for so many keys at once."""
    found: list[KeyReceipt] = []

    async def ask(name: str) -> None:
        found.append(await makers.make(KeyOrder(folder / name, name, name, KeyType.EC_P256)))

    async with anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(ask, f"{kind}{number}")
    return found


async def test_keys_are_stored_as_any_other_and_nothing_stays_behind(tmp_path: Path) -> None:
    """Each key lies beside a CSR of its own; once it was fetched, neither scheduler nor worker has its result."""
    with cluster(2) as found:
        here = LocalKeys(Workers(1, CHEAP))
        async with ClusterKeys(at(found), CHEAP, here, pytest.fail) as makers:
            await makers.connect()
            made = await receipts(makers, tmp_path, 100)
            assert makers.waiting == 0
            until(lambda: not found.scheduler.tasks)
            until(lambda: not any(worker.data for worker in found.workers.values()))
    assert len({receipt.spki_sha256 for receipt in made}) == 100
    assert all(spki_sha256(public_key_of_csr(receipt.csr)) == receipt.spki_sha256 for receipt in made)


async def test_a_key_that_is_there_is_taken_up_without_the_cluster(tmp_path: Path) -> None:
    """What was made before needs no scheduler, and is not made again."""
    order = KeyOrder(tmp_path / "one", "one", "one", KeyType.EC_P256)
    made = order.carry_out()
    async with (
        Workers(1, CHEAP) as workers,
        ClusterKeys(NOWHERE, CHEAP, LocalKeys(workers), pytest.fail) as makers,
    ):
        assert (await makers.make(order)).spki_sha256 == made.spki_sha256


async def test_a_scheduler_that_comes_back_is_connected_to_anew(tmp_path: Path) -> None:
    """A run whose scheduler was started anew goes on with it, and with its workers."""
    async with ClusterKeys(NOWHERE, CHEAP, LocalKeys(Workers(1, CHEAP)), lambda _: None) as makers:
        with cluster() as first:
            makers._cluster, port = at(first), int(first.scheduler_address.rpartition(":")[2])
            await receipts(makers, tmp_path, 10)
        with cluster(port=port):
            assert len(await receipts(makers, tmp_path, 10, "e")) == 10


def test_a_scheduler_that_is_away_is_waited_for_and_then_named() -> None:
    """The wait is said once, and ends in a sentence with what to do; who asks again hears it at once."""
    notes: list[str] = []
    executor = ClusterExecutor(NOWHERE, notes.append, patience=1)
    for _ in range(2):
        with pytest.raises(
            ThingmillError, match=r"tcp://127.0.0.1:9 does not answer .*, for 1 seconds now"
        ) as caught:
            executor.submit(int)
        assert "run the same command again" in caught.value.advice
    assert len(notes) == 1
    executor.shutdown()


def test_a_cluster_without_a_worker_is_named() -> None:
    """A scheduler alone makes no keys, and whoever gave up on it is not connected any more."""
    with cluster() as found:
        found.scale(0)
        until(lambda: not found.scheduler.workers)
        executor = ClusterExecutor(at(found), lambda _: None, patience=0.5)
        with pytest.raises(ThingmillError, match="has no worker that can be used") as caught:
            executor.connect()
        until(lambda: not any("thingmill" in client for client in found.scheduler.clients))
        executor.shutdown()
    assert "start workers" in caught.value.advice


@pytest.mark.parametrize(
    ("package", "there"), [("thingmill", "0.0.9"), ("cryptography", None), ("python", "3.10.1.final.0")]
)
def test_versions_that_differ_are_named(monkeypatch: pytest.MonkeyPatch, package: str, there: str | None) -> None:
    """What is another at the scheduler than here is said one by one, and nothing is done."""
    here = get_versions(packages=PACKAGES)
    packages = here["packages"] | {package: there}
    monkeypatch.setattr("distributed.versions.get_package_info", lambda _: packages)
    monkeypatch.setattr("pipeline.cluster.roll._here", lambda: here)
    with cluster() as found:
        executor = ClusterExecutor(at(found), lambda _: None, patience=0.5)
        with pytest.raises(ThingmillError, match="has other versions than this run") as caught:
            executor.connect()
        executor.shutdown()
    shown = {"python": "Python 3.10", "cryptography": "cryptography is missing"}
    assert shown.get(package, f"{package} {there}") in caught.value.message
    assert caught.value.message.count("(here ") == 1


def test_whoever_waits_for_a_scheduler_can_be_sent_away() -> None:
    """A run that is to stop does not wait until its patience ends."""
    executor = ClusterExecutor(NOWHERE, lambda _: None)
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            executor.connect()
        except BrokenClusterError as error:
            ended.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    executor.shutdown()
    thread.join(20)
    assert ended


async def test_a_cluster_that_loses_its_work_again_and_again_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that no worker outlives does not keep the run busy for ever."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("KilledWorker")

    with cluster() as found:
        monkeypatch.setattr("distributed.Client.submit", broken)
        async with ClusterKeys(at(found), CHEAP, LocalKeys(Workers(1, CHEAP)), lambda _: None) as makers:
            with pytest.raises(ThingmillError, match="loses its work again and again"):
                await makers.make(KeyOrder(tmp_path, "one", "one", KeyType.EC_P256))
