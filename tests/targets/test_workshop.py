"""What runs share: each tells of what waits there as far as it is its own, and all have files enough."""

from __future__ import annotations

import resource
from pathlib import Path

import anyio
import pytest

from pipeline.aws.limiter import Budget
from pipeline.device import KeyReceipt
from pipeline.fleet import lanes_of_each
from pipeline.keymaking import KeyOrder
from pipeline.lanes import LANES
from pipeline.settings import KeyType
from pipeline.target import MOST_TARGETS
from pipeline.workers import CHEAP, Workers
from pipeline.workshop import Pace, Workshop

ORDER = KeyOrder(Path("staged"), "pump", "pump", KeyType.EC_P256)


class Makers:
    """Have a key or two in work at a time, first come, first served, each until it is told to go on."""

    def __init__(self, at_once: int) -> None:
        self._places = anyio.Semaphore(at_once)
        self._made = anyio.Semaphore(0)
        self.waiting = 0

    def finish(self) -> None:
        self._made.release()

    async def make(self, order: KeyOrder) -> KeyReceipt:
        self.waiting += 1
        async with self._places:
            self.waiting -= 1
            await self._made.acquire()
        return KeyReceipt(order.thing_name, "", {})


@pytest.mark.anyio
async def test_a_run_counts_its_own_keys_that_wait() -> None:
    """Of the keys that all runs wait for each tells those that it asked for, and not the ones in work."""
    makers = Makers(2)
    whole = Workshop(makers, Workers(1, CHEAP), None)
    one, other, none = (whole.for_run().key_makers for _ in range(3))
    seen = []
    async with anyio.create_task_group() as group:
        for maker in (one, one, one, other, one, other):
            group.start_soon(maker.make, ORDER)
            await anyio.wait_all_tasks_blocked()
        for _ in range(6):
            seen.append((one.waiting, other.waiting, none.waiting))
            makers.finish()
            await anyio.wait_all_tasks_blocked()
    assert seen == [(2, 2, 0), (1, 2, 0), (1, 1, 0), (0, 1, 0), (0, 0, 0), (0, 0, 0)]


@pytest.mark.anyio
async def test_a_run_counts_its_own_devices_that_wait_for_the_pace() -> None:
    """Of the devices that wait for --rate each run tells its own; the rate is that of all."""
    whole = Workshop(Makers(1), Workers(1, CHEAP), Pace(Budget(1e-6)))
    one, other = (whole.for_run().rate for _ in range(2))
    assert one is not None
    assert other is not None
    await other.acquire()
    async with anyio.create_task_group() as group:
        for pace in (one, one, one, other):
            group.start_soon(pace.acquire)
        await anyio.wait_all_tasks_blocked()
        assert (one.waiting, other.waiting) == (3, 1)
        assert one.rate == other.rate == pytest.approx(1e-6)
        group.cancel_scope.cancel()
    assert (one.waiting, other.waiting) == (0, 0)


@pytest.mark.parametrize(("files", "alone"), [(1024, LANES), (256, 117), (resource.RLIM_INFINITY, LANES)])
def test_no_number_of_targets_opens_more_files_than_a_process_may(
    monkeypatch: pytest.MonkeyPatch, files: int, alone: int
) -> None:
    """Devices in work have a connection each, and runs have files of their own; one device can always go on."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert lanes_of_each(1) == alone
    for targets in range(1, MOST_TARGETS + 1):
        lanes = lanes_of_each(targets)
        # 11 files of a run were counted, and 72 of a process with two workers that writes what it can at once.
        if lanes > 1 and files != resource.RLIM_INFINITY:
            assert targets * (lanes + 11) + 72 <= files
    assert lanes_of_each(MOST_TARGETS) == {1024: 3, 256: 1, resource.RLIM_INFINITY: 8}[files]
