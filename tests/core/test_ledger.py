"""The ledger: each change from the state it names, durable when awaited, and never undone by another's mistake."""

from __future__ import annotations

import hashlib
import sqlite3
import stat
import threading
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.device import Certificate, Device, Issued, State
from pipeline.errors import DeviceError, DiskError, RunFolderError
from pipeline.ledger import Ledger, finished_ledger, schema
from tests.core.rosters import roster_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio

SPKI = hashlib.sha256(b"key").hexdigest()
DIGEST = hashlib.sha256(b"certificate").hexdigest()
CERTIFICATE = Certificate(
    DIGEST, f"arn:aws:iot:eu-west-1:123456789012:cert/{DIGEST}", "PEM\n", "2049-12-31T23:59:59Z"
)

Step = "Callable[[Ledger, int], Awaitable[None]]"
STEPS: dict[State, Callable[[Ledger, int], Awaitable[None]]] = {
    State.PLANNED: lambda ledger, seq: ledger.planned(seq, created=True),
    State.KEYED: lambda ledger, seq: ledger.keyed(seq, SPKI),
    State.REQUESTED: lambda ledger, seq: ledger.requested(seq),
    State.ISSUED: lambda ledger, seq: ledger.issued(seq, CERTIFICATE),
    State.BUNDLED: lambda ledger, seq: ledger.bundled(seq, {"one.pem": "00"}),
    State.LINKED: lambda ledger, seq: ledger.linked(seq),
    State.DONE: lambda ledger, seq: ledger.done(seq),
}
"""The change that leads to each state, in the order of the steps."""


def devices(*names: str) -> list[Device]:
    return [Device(name, line, common_name=name) for line, name in enumerate(names, start=2)]


async def advance(ledger: Ledger, seq: int, until: State) -> None:
    for state, step in STEPS.items():
        if state <= until:
            await step(ledger, seq)


def committed(path: Path, seq: int) -> State:
    """Return a state as another process sees it at this moment."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return State(connection.execute("SELECT state FROM devices WHERE seq = ?", (seq,)).fetchone()[0])


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return the bytes and the time of change of every file in a folder, by name."""
    return {found.name: (found.read_bytes(), found.stat().st_mtime_ns) for found in folder.iterdir()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def test_each_change_is_durable_when_it_returns(path: Path) -> None:
    """Another process reads each state as soon as the change was awaited, and commits wait for the disk."""
    with roster_of(devices("one")) as roster:
        async with Ledger(path) as ledger:
            await ledger.enrol(roster.path)
            for state, step in STEPS.items():
                await step(ledger, 1)
                assert committed(path, 1) is state
    with closing(schema.connect(path)) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL


@pytest.mark.parametrize("stands", list(STEPS))
@pytest.mark.parametrize("attempted", list(STEPS))
async def test_a_step_out_of_order_is_refused(path: Path, stands: State, attempted: State) -> None:
    """From each state exactly one step leads on; any other, and the same once more, changes nothing."""
    order = [State.LISTED, *STEPS]
    allowed = order.index(attempted) == order.index(stands) + 1
    with roster_of(devices("one")) as roster:
        async with Ledger(path) as ledger:
            await ledger.enrol(roster.path)
            await advance(ledger, 1, stands)
            if allowed:
                await STEPS[attempted](ledger, 1)
            else:
                with pytest.raises(AssertionError, match="done twice"):
                    await STEPS[attempted](ledger, 1)
            [entry] = ledger.read.entries()
            assert entry.state is (attempted if allowed else stands)


async def test_a_request_can_be_taken_back_from_doubt_only(path: Path) -> None:
    """Only REQUESTED goes back to KEYED; a device that has its certificate never does."""
    with roster_of(devices("one", "two")) as roster:
        async with Ledger(path) as ledger:
            await ledger.enrol(roster.path)
            await advance(ledger, 1, State.REQUESTED)
            await ledger.refused(1)
            await advance(ledger, 2, State.ISSUED)
            with pytest.raises(AssertionError):
                await ledger.refused(2)
            assert [entry.state for entry in ledger.read.entries()] == [State.KEYED, State.ISSUED]


async def test_the_mistake_of_one_caller_undoes_no_other_change(path: Path) -> None:
    """Changes that share a commit stand or fall alone: a step done twice among them is refused by itself."""
    with roster_of(devices(*(f"thing-{number}" for number in range(50)))) as roster:
        async with Ledger(path) as ledger:
            await ledger.enrol(roster.path)
            await ledger.planned(7, created=True)
            refused: list[int] = []

            async def plan(seq: int) -> None:
                try:
                    await ledger.planned(seq, created=True)
                except AssertionError:
                    refused.append(seq)

            async with anyio.create_task_group() as group:
                for seq in range(1, 51):
                    group.start_soon(plan, seq)
            assert refused == [7]
            assert ledger.read.counts()[State.PLANNED] == 50


async def test_one_certificate_cannot_belong_to_two_devices(path: Path) -> None:
    """The database refuses a certificate id that another device holds, and only that change."""
    with roster_of(devices("one", "two")) as roster:
        async with Ledger(path) as ledger:
            await ledger.enrol(roster.path)
            await advance(ledger, 1, State.ISSUED)
            await advance(ledger, 2, State.REQUESTED)
            with pytest.raises(sqlite3.IntegrityError):
                await ledger.issued(2, CERTIFICATE)
            assert [entry.state for entry in ledger.read.entries()] == [State.ISSUED, State.REQUESTED]
            assert ledger.read.holder_of(DIGEST) == "one"


async def test_changes_that_come_together_share_a_commit(path: Path) -> None:
    """What gathers while the disk is busy goes into the next commit together, so it does not set the pace."""
    begun, busy = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        begun.set()
        busy.wait()

    with roster_of(devices(*(f"thing-{number}" for number in range(100)))) as roster:
        async with Ledger(path) as ledger, anyio.create_task_group() as group:
            await ledger.enrol(roster.path)
            before = ledger._writer.commits
            group.start_soon(ledger._writer.write, hold)
            await anyio.to_thread.run_sync(begun.wait)
            for seq in range(1, 101):
                group.start_soon(partial(ledger.planned, created=True), seq)
            await anyio.wait_all_tasks_blocked()
            busy.set()
        assert ledger._writer.commits == before + 2


async def test_a_commit_that_the_disk_refuses_reaches_every_caller(path: Path) -> None:
    """Nobody is told that a change is durable when its commit failed."""
    with roster_of(devices("one", "two")) as roster:
        async with Ledger(path) as ledger:
            await ledger.enrol(roster.path)
            ledger._connection.execute("PRAGMA query_only = ON")
            for seq in (1, 2):
                with pytest.raises(DiskError, match="cannot be written"):
                    await ledger.planned(seq, created=True)
            ledger._connection.execute("PRAGMA query_only = OFF")
            assert ledger.read.counts()[State.LISTED] == 2


async def test_a_ledger_that_is_opened_again_says_all_it_knew(path: Path) -> None:
    """Nothing of a device is forgotten: description, key, certificate, outcome and why it failed."""
    device = Device("one", 2, "one.example", "Pump", ("a", "b"), "spares", "device", {"serial": "SN1"})
    error = DeviceError(7, "InvalidRequestException", "AttachThingPrincipal was refused", advice="look")
    with roster_of([device, *devices("two")]) as roster:
        async with Ledger(path) as ledger:
            await ledger.bind({"account": "123456789012"})
            await ledger.enrol(roster.path)
            await advance(ledger, 1, State.ISSUED)
            await ledger.failed(1, error)
            await ledger.skipped(2, DeviceError(1, "ThingHasCertificate", "it has one"))
    async with Ledger(path) as ledger:
        one, two = ledger.read.entries()
        assert (one.device, one.state, one.spki_sha256, one.thing_created) == (device, State.ISSUED, SPKI, True)
        assert (one.certificate, one.outcome, two.outcome) == (CERTIFICATE, "failed", "skipped")
        assert one.error is not None
        assert (one.error.step, one.error.code, one.error.message, one.error.advice) == (
            error.step,
            error.code,
            error.message,
            error.advice,
        )
        assert one.requested_at is not None
        with roster_of([device, *devices("two")]) as roster:
            await ledger.enrol(roster.path)
        assert [entry.outcome for entry in ledger.read.entries()] == [None, "skipped"]


async def test_a_rejected_certificate_is_kept_as_evidence_until_it_is_removed(path: Path) -> None:
    """What failed inspection is on record with its PEM, and leaves the list of work when it is gone."""
    issued = Issued(DIGEST, CERTIFICATE.arn, "PEM\n")
    with roster_of(devices("one")) as roster:
        async with Ledger(path) as ledger:
            await ledger.enrol(roster.path)
            await advance(ledger, 1, State.REQUESTED)
            await ledger.rejected(1, issued, DeviceError(5, "WrongKey", "another key"))
            assert [(r.spki_sha256, r.issued) for r in ledger.read.rejections()] == [
                (SPKI, Issued(DIGEST, "", "PEM\n"))
            ]
            await ledger.removed(DIGEST)
            assert ledger.read.rejections() == []


async def test_a_bundle_holds_the_certificate_once_it_is_written(path: Path) -> None:
    """From BUNDLED on the ledger keeps the id and drops the text, which the bundle has."""
    with roster_of(devices("one")) as roster:
        async with Ledger(path) as ledger:
            await ledger.enrol(roster.path)
            await advance(ledger, 1, State.BUNDLED)
            [entry] = ledger.read.entries()
            assert entry.certificate is not None
            assert (entry.certificate.certificate_id, entry.certificate.pem) == (DIGEST, "")


async def test_a_run_is_bound_to_what_it_began_with(path: Path) -> None:
    """Another account, Region or key type is refused with both values named; the same again is fine."""
    async with Ledger(path) as ledger:
        await ledger.bind({"account": "123456789012", "Region": "eu-west-1"})
        await ledger.bind({"Region": "eu-west-1"})
        with pytest.raises(RunFolderError, match="Region was eu-west-1 and is now us-east-1"):
            await ledger.bind({"Region": "us-east-1"})
        assert ledger.read.meta() == {"account": "123456789012", "Region": "eu-west-1"}


async def test_reading_a_finished_ledger_changes_no_byte(path: Path) -> None:
    """A ledger that was closed is one file, and looking into it leaves that file and its folder as they were."""
    with roster_of(devices("one")) as roster:
        async with Ledger(path) as ledger:
            await ledger.enrol(roster.path)
            await advance(ledger, 1, State.DONE)
        before = contents(path.parent)
        assert list(before) == ["ledger.db"]
        reader = finished_ledger(path)
        assert reader is not None
        with closing(reader):
            assert reader.is_finished(roster.path)
            assert contents(path.parent) == before


async def test_a_ledger_that_is_open_elsewhere_is_not_read_as_finished(path: Path) -> None:
    """While a writer has it, what it says may still be in the log: it is not looked at."""
    assert finished_ledger(path) is None
    with roster_of(devices("one")) as roster:
        async with Ledger(path) as ledger:
            await ledger.enrol(roster.path)
            await ledger.planned(1, created=True)
            assert finished_ledger(path) is None


def test_a_file_that_is_no_ledger_is_refused(path: Path) -> None:
    """Whatever else has that name is left as it is, and the user is told."""
    path.write_bytes(b"this is no database, and it is long enough to be looked at " * 20)
    before = path.read_bytes()

    async def opened() -> None:
        async with Ledger(path):
            pass

    with pytest.raises(RunFolderError, match="no ledger"):
        anyio.run(opened)
    assert path.read_bytes() == before


async def test_a_ledger_of_another_format_is_refused(path: Path) -> None:
    """A later layout is not guessed at."""
    with closing(schema.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.FORMAT + 1}")
    with pytest.raises(RunFolderError, match=f"format {schema.FORMAT + 1}"):
        async with Ledger(path):
            pass


def test_the_ledger_is_for_its_owner_alone(path: Path) -> None:
    """Nobody else may read the state of a run."""
    schema.connect(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@settings(max_examples=25, deadline=None)
@given(names=st.lists(st.from_regex(r"[a-z0-9:_-]{1,40}", fullmatch=True), min_size=1, max_size=30, unique=True))
def test_entries_come_in_the_order_of_the_manifest(
    names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever things are called, they are read back in their rows' order, each once."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"

    async def read() -> list[str]:
        with roster_of(devices(*names)) as roster:
            async with Ledger(path) as ledger:
                assert await ledger.enrol(roster.path) == len(names)
                return [entry.device.thing_name for entry in ledger.read.entries()]

    assert anyio.run(read) == names
