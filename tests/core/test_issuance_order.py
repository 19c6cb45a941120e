"""The order of the eight steps, as AWS IoT and the disk see it while a device goes through them."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pipeline import workers
from pipeline.device import State
from pipeline.keys import public_key_of_csr, spki_sha256
from tests.core.mill import POLICY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.core.mill import Mill

pytestmark = pytest.mark.anyio

ISSUE, LINK, AUTHORISE = "CreateCertificateFromCsr", "AttachThingPrincipal", "AttachPolicy"


def at(mill: Mill, operation: str, look: Callable[[], None]) -> list[str]:
    """Look around whenever a call of an operation arrives, before anything comes of it; return a log of looks."""
    looks: list[str] = []

    def hook(arrived: str, _: Mapping[str, object]) -> None:
        if arrived == operation:
            look()
            looks.append(arrived)

    mill.double.on_request = hook
    return looks


def identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[tuple[int, int]]:
    """What was fsynced, by device and inode, in a run whose keys are made by threads of this process."""
    seen: set[tuple[int, int]] = set()
    fsync = os.fsync

    def noted(handle: int) -> None:
        fsync(handle)
        found = os.fstat(handle)
        seen.add((found.st_dev, found.st_ino))

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr("pipeline.workshop.Workers", partial(workers.Workers, executor=ThreadPoolExecutor))
    return seen


async def test_the_calls_of_one_device_come_in_the_order_of_the_steps(mill: Mill) -> None:
    """The thing comes first, the certificate next, links after it, and authority last of all."""
    mill.double.account.registry.create_group("hall-a", None, {})
    mill.double.account.registry.create_group("pilot", None, {})
    await mill.run("thing_name,groups\none,hall-a;pilot\n", suffix=".csv")
    assert [call.operation for call in mill.double.journal.calls if call.subject == "one"] == [
        "DescribeThing",
        "CreateThing",
        ISSUE,
        LINK,
        "AddThingToThingGroup",
        "AddThingToThingGroup",
        AUTHORISE,
    ]
    assert mill.double.journal.calls[-1].operation == AUTHORISE


async def test_when_a_certificate_is_asked_for_its_key_is_on_disk_and_closed(mill: Mill) -> None:
    """Before a CSR leaves the machine its key is there, 0400 in a 0700 folder, and so is the CSR itself."""

    def look() -> None:
        folder = mill.folder.staged("one")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "one.key").stat().st_mode) == 0o400
        assert sorted(path.name for path in folder.iterdir()) == ["one.csr", "one.key"]

    looks = at(mill, ISSUE, look)
    await mill.run()
    assert looks == [ISSUE]


async def test_when_a_certificate_is_asked_for_key_and_csr_are_durable(
    mill: Mill, synced: set[tuple[int, int]]
) -> None:
    """The key, the CSR and the folder that names them have reached the disk before the request."""

    def look() -> None:
        folder = mill.folder.staged("one")
        assert {identity(path) for path in (folder, folder / "one.key", folder / "one.csr")} <= synced
        assert identity(mill.folder.staging) in synced

    looks = at(mill, ISSUE, look)
    await mill.run()
    assert looks == [ISSUE]


async def test_the_csr_that_is_sent_is_the_one_on_disk(mill: Mill) -> None:
    """AWS IoT gets the very bytes that lie beside the key, asked to be active."""
    sent: list[Mapping[str, object]] = []

    def hook(operation: str, params: Mapping[str, object]) -> None:
        if operation == ISSUE:
            sent.append(dict(params))

    mill.double.on_request = hook
    await mill.run()
    csr = (mill.folder.bundle("one") / "one.csr").read_text(encoding="ascii")
    assert [(request["certificateSigningRequest"], request["setAsActive"]) for request in sent] == [(csr, "true")]
    assert mill.entry("one").spki_sha256 == spki_sha256(public_key_of_csr(csr))


@pytest.mark.parametrize(
    ("operation", "state"),
    [
        (ISSUE, State.REQUESTED),
        (LINK, State.BUNDLED),
        ("AddThingToThingGroup", State.BUNDLED),
        (AUTHORISE, State.LINKED),
    ],
)
async def test_a_call_finds_what_came_before_it_committed(mill: Mill, operation: str, state: State) -> None:
    """The intent is committed before the request, the bundle before the links, the links before the policy."""
    mill.double.account.registry.create_group("hall-a", None, {})

    def look() -> None:
        assert mill.state("one") is state

    looks = at(mill, operation, look)
    await mill.run(groups=("hall-a",))
    assert looks == [operation]
    assert mill.state("one") is State.DONE


async def test_when_links_are_made_the_bundle_is_whole_and_durable(
    mill: Mill, synced: set[tuple[int, int]]
) -> None:
    """A thing or group may carry a policy, so nothing is linked before the bundle is safe in devices/."""

    def look() -> None:
        folder = mill.folder.bundle("one")
        names = ["config.json", "one.csr", "one.key", "one.pem", "root-ca.pem"]
        assert sorted(path.name for path in folder.iterdir()) == names
        assert {identity(path) for path in (folder, mill.folder.devices, *folder.iterdir())} <= synced
        assert not mill.folder.staged("one").exists()

    looks = at(mill, LINK, look)
    await mill.run()
    assert looks == [LINK]


async def test_a_certificate_can_do_nothing_before_the_last_call(mill: Mill) -> None:
    """When AttachPolicy arrives the certificate is linked to its thing and has no policy yet."""

    def look() -> None:
        [certificate] = mill.certificates("one")
        assert (certificate.things, certificate.policies) == (["one"], [])

    looks = at(mill, AUTHORISE, look)
    await mill.run()
    assert looks == [AUTHORISE]
    [certificate] = mill.certificates("one")
    assert certificate.policies == [POLICY]
