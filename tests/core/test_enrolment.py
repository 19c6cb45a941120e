"""Which manifest a ledger belongs to: what may change between two runs of it, and what may not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipeline.device import State
from pipeline.errors import RunFolderError
from pipeline.ledger import Ledger
from tests.core.rosters import roster_of
from tests.core.test_ledger import advance, devices
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from pipeline.device import Device

pytestmark = pytest.mark.anyio

FIRST, SECOND = make_csr("one"), make_csr("one")


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


async def enrol(ledger: Ledger, rows: Sequence[Device], *, partial: bool = False) -> int:
    with roster_of(rows) as roster:
        return await ledger.enrol(roster.path, partial=partial)


async def test_the_same_manifest_again_enters_nothing(ledger: Ledger) -> None:
    """Enrolling is idempotent, whatever the devices have come to."""
    assert await enrol(ledger, devices("one", "two")) == 2
    await advance(ledger, 1, State.DONE)
    assert await enrol(ledger, devices("one", "two")) == 0
    assert [entry.state for entry in ledger.read.entries()] == [State.DONE, State.LISTED]


async def test_appended_rows_are_new_devices(ledger: Ledger) -> None:
    """A manifest may grow: the new rows come after those that are there, which keep their state."""
    await enrol(ledger, devices("one"))
    await advance(ledger, 1, State.DONE)
    assert await enrol(ledger, devices("one", "two", "three")) == 2
    found = [(entry.device.thing_name, entry.state) for entry in ledger.read.entries()]
    assert found == [("one", State.DONE), ("two", State.LISTED), ("three", State.LISTED)]


async def test_rows_may_move(ledger: Ledger) -> None:
    """A row is the same wherever it stands; its line is kept up to date for the reports."""
    await enrol(ledger, devices("one", "two"))
    await advance(ledger, 1, State.DONE)
    assert await enrol(ledger, devices("two", "one")) == 0
    lines = {entry.device.thing_name: entry.device.line for entry in ledger.read.entries()}
    assert lines == {"two": 2, "one": 3}


@pytest.mark.parametrize("state", [State.LISTED, State.PLANNED])
async def test_a_row_may_change_until_its_key_exists(ledger: Ledger, state: State) -> None:
    """Before a key is made nothing was asked for that the change could contradict; its thing is looked at anew."""
    [one] = devices("one")
    await enrol(ledger, [one])
    await advance(ledger, 1, state)
    changed = replace(one, common_name="one.example", attributes={"serial": "SN2"})
    assert await enrol(ledger, [changed]) == 0
    [entry] = ledger.read.entries()
    assert (entry.device, entry.state) == (changed, State.LISTED)


@pytest.mark.parametrize("state", [State.LISTED, State.PLANNED, State.KEYED])
async def test_a_row_that_brought_a_csr_goes_on_bringing_one(ledger: Ledger, state: State) -> None:
    """A device that keeps its own key never gets one made here, not even before anything was done for it."""
    [one] = devices("one")
    await enrol(ledger, [replace(one, csr="a CSR")])
    await advance(ledger, 1, state)
    with pytest.raises(RunFolderError, match="one brought a CSR, and brings none now"):
        await enrol(ledger, [one])


async def test_a_row_whose_thing_was_made_keeps_its_name(ledger: Ledger) -> None:
    """A thing that the run made is not forgotten over a name that differs by case."""
    [one] = devices("one")
    await enrol(ledger, [one])
    await ledger.planned(1, created=True)
    with pytest.raises(RunFolderError, match="has its thing already"):
        await enrol(ledger, [replace(one, thing_name="ONE")])


@pytest.mark.parametrize("state", [state for state in State if state >= State.KEYED])
async def test_a_row_that_changed_after_its_key_was_made_is_refused(ledger: Ledger, state: State) -> None:
    """The field is named with its old and its new value, and the ledger stays as it was."""
    [one] = devices("one")
    await enrol(ledger, [one])
    await advance(ledger, 1, state)
    changed = replace(one, common_name="one.example", policy="device")
    with pytest.raises(RunFolderError) as caught:
        await enrol(ledger, [changed, *devices("two")])
    assert "common_name was one and is now one.example" in caught.value.message
    assert "policy was not given and is now device" in caught.value.message
    assert [entry.device for entry in ledger.read.entries()] == [one]


async def test_attributes_that_changed_are_told_one_by_one(ledger: Ledger) -> None:
    """As a manifest has them, those alone that differ; the advice is where a correction belongs."""
    [one] = devices("one")
    await enrol(ledger, [replace(one, attributes={"serial": "X2", "rev": "1", "hall": "a"}, groups=("a", "b"))])
    await advance(ledger, 1, State.DONE)
    with pytest.raises(RunFolderError) as caught:
        await enrol(ledger, [replace(one, attributes={"serial": "S2", "rev": "1", "csr": "no"}, groups=("a",))])
    assert caught.value.message.partition("has changed: ")[2] == (
        "attribute csr was not given and is now no; attribute hall was a and is now not given; "
        "attribute serial was X2 and is now S2; groups was a;b and is now a"
    )
    assert "corrected in failed.csv is to be corrected in the manifest, too" in caught.value.advice
    assert "--name" not in caught.value.advice.partition(".")[0]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (FIRST.pem, SECOND.pem, f"its key was {FIRST.spki_sha256} and is now {SECOND.spki_sha256}"),
        (FIRST.pem, "no CSR", f"its key was {FIRST.spki_sha256} and is now unreadable"),
        (None, FIRST.pem, "csr was not given and is now given"),
    ],
    ids=["another", "none", "new"],
)
async def test_another_csr_is_told_by_the_hash_of_its_key(
    ledger: Ledger, before: str | None, after: str, told: str
) -> None:
    """As summary.csv has it, so that it can be found there; the CSR itself is not shown."""
    [one] = devices("one")
    await enrol(ledger, [replace(one, csr=before)])
    await advance(ledger, 1, State.KEYED)
    with pytest.raises(RunFolderError) as caught:
        await enrol(ledger, [replace(one, csr=after)])
    assert told in caught.value.message
    assert "BEGIN" not in caught.value.message


async def test_a_removed_row_is_refused_by_name(ledger: Ledger) -> None:
    """A device of the run that the manifest no longer names says that this is another manifest."""
    await enrol(ledger, devices("one", "two"))
    with pytest.raises(RunFolderError, match="belongs to another manifest: it holds two"):
        await enrol(ledger, devices("one", "three"))
    assert [entry.device.thing_name for entry in ledger.read.entries()] == ["one", "two"]


async def test_the_runs_own_failures_may_leave_devices_out(ledger: Ledger) -> None:
    """failed.csv names only some devices of its run: the others stay, with the lines they had."""
    await enrol(ledger, devices("one", "two", "three"))
    assert await enrol(ledger, devices("three"), partial=True) == 0
    found = [(entry.device.thing_name, entry.device.line) for entry in ledger.read.entries()]
    assert found == [("one", 2), ("two", 3), ("three", 4)]


async def test_a_change_of_case_alone_is_the_same_device(ledger: Ledger) -> None:
    """Names that share a folder on some disks share a row: before its key exists the new writing counts."""
    await enrol(ledger, devices("Pump"))
    assert await enrol(ledger, devices("PUMP")) == 0
    assert [entry.device.thing_name for entry in ledger.read.entries()] == ["PUMP"]


async def test_a_finished_run_knows_its_manifest(ledger: Ledger) -> None:
    """Only the very devices of a run, all of them done or skipped, make it a finished one."""
    await enrol(ledger, devices("one"))
    with roster_of(devices("one")) as same, roster_of(devices("one", "two")) as more:
        assert not ledger.read.is_finished(same.path)
        await advance(ledger, 1, State.DONE)
        assert ledger.read.is_finished(same.path)
        assert not ledger.read.is_finished(more.path)
