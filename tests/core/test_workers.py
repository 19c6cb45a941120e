"""The processes that make keys and write files: what they keep to themselves, and how they share work."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import select
import signal
import stat
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pipeline import files
from pipeline.errors import DeviceError, ThingmillError
from pipeline.keys import ensure_key, public_key_of_csr, spki_sha256
from pipeline.settings import KeyType
from pipeline.workers import CHEAP, COSTLY, UnfitAnswerError, Workers, process_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor, Future
    from pathlib import Path

    from pipeline.device import KeyReceipt

pytestmark = pytest.mark.anyio

PR_GET_DUMPABLE = 3

# A coordinator as a run is one: it has its workers, names them, and is killed before it can end them.
COORDINATOR = """
import sys
from pipeline.workers import process_pool
from tests.core.test_workers import whoami

pool = process_pool(2)
found = set()
while len(found) < 2:
    found |= set(pool.map(whoami, range(8)))
print(*found, flush=True)
sys.stdin.read()
"""


def whoami(_: int) -> int:
    """Run in a worker, slowly enough that one worker cannot take all tasks."""
    select.select([], [], [], 0.02)
    return os.getpid()


def look_around() -> dict[str, Any]:
    """Run in a worker: what it says of itself."""
    return {
        "parent": os.getppid(),
        "interrupt": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "dumpable": ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) if sys.platform == "linux" else 0,
        "umask": os.umask(0o077),
    }


@pytest.fixture(scope="module")
def worker() -> dict[str, Any]:
    """What a worker of the real pool says of itself."""
    with process_pool(1) as pool:
        return pool.submit(look_around).result()


@dataclass(frozen=True)
class KeyJob:
    """A key to be made, as a step of a run has it made."""

    folder: Path
    thing_name: str
    common_name: str
    key_type: KeyType

    def make(self) -> KeyReceipt:
        return ensure_key(self.folder, self.thing_name, self.common_name, self.key_type)


class Watched:
    """Makes pools, and keeps them where a test can look at them."""

    def __init__(self, kind: Callable[[int], Executor]) -> None:
        self._kind = kind
        self.pools: list[Executor] = []
        self.batches: list[int] = []

    def __call__(self, workers: int) -> Executor:
        pool = self._kind(workers)
        submit = pool.submit

        def counted(function: Callable[..., Any], jobs: Sequence[Any]) -> Future[Any]:
            self.batches.append(len(jobs))
            return submit(function, jobs)

        pool.submit = counted  # type: ignore[method-assign, assignment]
        self.pools.append(pool)
        return pool


def jobs(folder: Path, count: int, key_type: KeyType = KeyType.EC_P256) -> list[KeyJob]:
    return [KeyJob(folder / f"thing-{n}", f"thing-{n}", f"thing-{n}", key_type) for n in range(count)]


async def receipts(workers: Workers, wanted: Sequence[KeyJob]) -> dict[str, KeyReceipt | ThingmillError]:
    """Ask for all keys at once, and return what came of each by thing name."""
    results: dict[str, KeyReceipt | ThingmillError] = {}

    async def ask(job: KeyJob) -> None:
        try:
            results[job.thing_name] = await workers.do(job.make)
        except ThingmillError as error:
            results[job.thing_name] = error

    async with anyio.create_task_group() as group:
        for job in wanted:
            group.start_soon(ask, job)
    return results


def test_workers_come_from_a_fork_server(worker: dict[str, Any]) -> None:
    """A worker is no fork of this process, whose threads may hold locks that nobody would release."""
    # A forked or spawned one would be our child.
    assert worker["parent"] != os.getpid()


def test_a_worker_leaves_ctrl_c_to_the_coordinator(worker: dict[str, Any]) -> None:
    """SIGINT reaches every process of a terminal, and a worker ignores it."""
    assert worker["interrupt"]


def test_a_worker_can_leave_no_core_file(worker: dict[str, Any]) -> None:
    """What crashes with a key in memory writes none of it to disk, and on Linux into no pipe either."""
    assert worker["core"] == (0, 0)
    assert worker["dumpable"] == 0


def test_what_a_worker_writes_is_for_its_owner_alone(worker: dict[str, Any]) -> None:
    """Its umask lets nobody else in, whatever the user's own is."""
    assert worker["umask"] == 0o077


async def test_a_receipt_is_for_the_key_on_disk(tmp_path: Path) -> None:
    """What comes back is the CSR and the hash of its key, and the key is in its file, for its owner alone."""
    [job] = jobs(tmp_path, 1)
    async with Workers(1, CHEAP) as workers:
        receipt = await workers.do(job.make)
    path = job.folder / "thing-0.key"
    assert stat.S_IMODE(path.lstat().st_mode) == files.SECRET
    assert receipt.spki_sha256 == spki_sha256(public_key_of_csr(receipt.csr))
    assert "PRIVATE KEY" not in repr(receipt)
    assert (job.folder / "thing-0.csr").read_bytes() == receipt.csr.encode()


async def test_cheap_keys_go_many_to_a_task(tmp_path: Path) -> None:
    """A hundred keys of a curve take a few tasks, shared out evenly enough to keep every worker busy."""
    pool = Watched(ThreadPoolExecutor)
    async with Workers(2, CHEAP, pool) as workers:
        results = await receipts(workers, jobs(tmp_path, 100))
    assert len(results) == 100
    assert sum(pool.batches) == 100
    assert max(pool.batches) <= 32
    assert len(pool.batches) < 20


async def test_costly_keys_go_one_to_a_task(tmp_path: Path) -> None:
    """An RSA key takes long enough that every one is handed out by itself."""
    pool = Watched(ThreadPoolExecutor)
    async with Workers(2, COSTLY, pool) as workers:
        await receipts(workers, jobs(tmp_path, 5, KeyType.RSA_2048))
    assert pool.batches == [1] * 5


async def test_a_killed_worker_is_replaced_and_no_receipt_is_lost(tmp_path: Path) -> None:
    """A worker dies amid its work: a new pool takes over, and keys that were written are taken up as they are."""
    pool = Watched(process_pool)
    wanted = jobs(tmp_path, 300)
    async with Workers(2, CHEAP, pool) as workers, anyio.create_task_group() as group:
        results: dict[str, KeyReceipt | ThingmillError] = {}

        async def ask() -> None:
            results.update(await receipts(workers, wanted))

        group.start_soon(ask)
        await workers.do(KeyJob(tmp_path / "first", "first", "first", KeyType.EC_P256).make)
        first = pool.pools[0]
        assert isinstance(first, ProcessPoolExecutor)
        os.kill(next(iter(first._processes)), signal.SIGKILL)
    assert len(pool.pools) >= 2
    assert {name for name, result in results.items() if isinstance(result, Exception)} == set()
    for job in wanted:
        receipt = results[job.thing_name]
        assert not isinstance(receipt, ThingmillError)
        assert (job.folder / f"{job.thing_name}.csr").read_text(encoding="ascii") == receipt.csr
        assert [path for path in job.folder.iterdir() if path.suffix == ".tmp"] == []


async def test_workers_that_die_again_and_again_are_given_up(tmp_path: Path) -> None:
    """When no pool ever finishes a task, whoever waits is told so instead of waiting for ever."""
    pool = Watched(lambda _: ProcessPoolExecutor(1, initializer=os._exit, initargs=(1,), mp_context=forkserver()))
    async with Workers(1, CHEAP, pool) as workers:
        with pytest.raises(ThingmillError, match="die again and again"):
            await workers.do(jobs(tmp_path, 1)[0].make)
    assert len(pool.pools) <= 5


def forkserver() -> Any:  # noqa: ANN401  typeshed has no name for it on every platform
    return multiprocessing.get_context("forkserver")


async def test_a_job_that_fails_takes_none_of_its_batch_along(tmp_path: Path) -> None:
    """A folder that others can enter fails its own device, and the rest of the task has its keys."""
    wanted = jobs(tmp_path, 20)
    wanted[7].folder.mkdir(mode=0o755)
    wanted[7].folder.chmod(0o755)
    wanted[9].folder.mkdir(mode=0o700)
    (wanted[9].folder / "thing-9.key").write_text("no key", encoding="ascii")
    async with Workers(1, CHEAP, ThreadPoolExecutor) as workers:
        results = await receipts(workers, wanted)
    failed = {name: result for name, result in results.items() if isinstance(result, ThingmillError)}
    assert set(failed) == {"thing-7", "thing-9"}
    strange = failed["thing-9"]
    assert isinstance(strange, DeviceError)
    assert (strange.step, strange.code) == (2, "StrangeKey")
    assert "no key" not in str(strange)


async def test_a_bug_in_a_worker_reaches_whoever_waits(tmp_path: Path) -> None:
    """An error that nobody foresaw is raised where the key was asked for, and nobody hangs."""
    [job] = jobs(tmp_path, 1)
    broken = KeyJob(job.folder, job.thing_name, "", job.key_type)  # a common name that no X.509 name can hold
    async with Workers(1, CHEAP, ThreadPoolExecutor) as workers:
        with pytest.raises(ThingmillError, match=r"ValueError at .*keys\.py:\d+"):
            await workers.do(broken.make)


class OddAnswers(ThreadPoolExecutor):
    """Does what it is given, and answers something else."""

    def __init__(self, answer: object) -> None:
        super().__init__(1)
        self._answer = answer

    def submit(self, fn: Callable[..., Any], /, *args: object, **kwargs: object) -> Future[Any]:
        super().submit(fn, *args, **kwargs).result()
        return super().submit(lambda: self._answer)


@pytest.mark.parametrize("answer", [[], None, 5, "a", {"a": 1}, [1, 2]], ids=repr)
async def test_an_answer_that_fits_no_job_fails_whoever_waits(tmp_path: Path, answer: object) -> None:
    """Who asked for a job hears that its answer is none, and does not wait for ever."""
    [job] = jobs(tmp_path, 1)
    async with Workers(1, CHEAP, lambda _: OddAnswers(answer)) as workers:
        with anyio.fail_after(30), pytest.raises(UnfitAnswerError, match="not one result for each of its jobs"):
            await workers.do(job.make)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_workers_end_with_a_coordinator_that_was_killed() -> None:
    """After SIGKILL nobody is left to end the workers: they notice by themselves."""
    with subprocess.Popen(
        [sys.executable, "-c", COORDINATOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as coordinator:
        assert coordinator.stdout is not None
        workers = [int(word) for word in coordinator.stdout.readline().split()]
        assert len(workers) == 2
        ends = [os.pidfd_open(worker) for worker in workers]
        coordinator.kill()
    try:
        for end in ends:
            # Readable when the process has ended (pidfd_open(2)).
            assert select.select([end], [], [], 30)[0] == [end]
    finally:
        for end in ends:
            os.close(end)


def test_an_error_of_a_worker_crosses_to_the_coordinator_whole() -> None:
    """Step, code and advice come back with the message."""
    with process_pool(1) as pool, pytest.raises(DeviceError) as caught:
        pool.submit(fail).result()
    error = caught.value
    assert (error.step, error.code, error.message, error.advice) == (2, "StrangeKey", "what", "do this")


def fail() -> None:
    raise DeviceError(2, "StrangeKey", "what", advice="do this")
