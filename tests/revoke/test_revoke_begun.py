"""A revoke that was begun and has not come to its end: what ends it, and what may not be done before that."""

from __future__ import annotations

import io
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pipeline.begun import Begun, begun
from pipeline.device import State
from pipeline.errors import InterruptedRunError, RunFolderError
from pipeline.layout import RunFolder
from pipeline.ledger import finished_ledger
from pipeline.progress import final_table
from pipeline.progress.status import page
from pipeline.report import write_all
from pipeline.scope import Scope
from pipeline.status import look
from tests.report.ledgers import Fate, device, ledger_of
from tests.revoke.accounts import WHOLE, revoke
from tests.support.awsiot import Fail

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.mill import Mill

LOT = "one\ntwo\nthree\n"
FIRST_LOOK = "DescribeCertificate"


def left_of(mill: Mill) -> Begun:
    reader = finished_ledger(mill.folder.ledger)
    assert reader is not None
    with closing(reader):
        return begun(reader)


async def stopped(mill: Mill, scope: Scope, at: str = FIRST_LOOK, **quotas: float) -> str:
    """Revoke and stop at an operation; return what was said."""
    with pytest.raises(InterruptedRunError) as caught:
        await revoke(mill, scope, stop_at=at, **quotas)
    return caught.value.message


async def refused(mill: Mill, manifest: str = LOT) -> str:
    """Run a manifest, which must be refused without a change; return the sentence and the advice."""
    changes = mill.double.journal.mutating_calls
    with pytest.raises(RunFolderError) as caught:
        await mill.run(manifest)
    assert mill.double.journal.mutating_calls == changes
    return f"{caught.value.message}; {caught.value.advice}"


@pytest.mark.anyio
async def test_a_run_is_not_gone_on_with_after_ctrl_c(mill: Mill) -> None:
    """Stopped before its first change, a revoke is to be ended all the same: also rows that were added wait."""
    await mill.run(LOT)
    assert "3 devices left" in await stopped(mill, WHOLE)
    assert "is being revoked: 3 of 3 devices left" in await refused(mill)
    said = await refused(mill, LOT + "four\n")
    assert "(thingmill revoke run --things)" in said
    assert "thingmill revoke run --begun-only" in said
    assert len((await revoke(mill, WHOLE)).gone) == 3
    assert left_of(mill).left == 0
    assert "was revoked" in await refused(mill)


@pytest.mark.anyio
async def test_only_what_was_begun_with_is_finished_after_ctrl_c(mill: Mill) -> None:
    """Devices that wait for the quota of their first change are not begun; one whose call was sent is finished."""
    await mill.run("\n".join(f"t{number:02}" for number in range(30)))
    said = await stopped(mill, WHOLE, "DetachPolicy", DetachPolicy=1.0)
    assert mill.double.journal.count("DetachPolicy") == 1
    assert mill.double.journal.count("DeleteThing") == 1
    assert "29 devices left" in said
    assert (left_of(mill).left, left_of(mill).half) == (29, 0)


@pytest.mark.anyio
async def test_a_part_that_was_stopped_is_ended_by_a_revoke_that_means_all_of_it(mill: Mill) -> None:
    """Revokes of other devices do not end it; one of these devices and of more does, and the run goes on."""
    await mill.run(LOT)
    await stopped(mill, Scope(devices=("one",), things=True))
    for other in (Scope(devices=("two",)), Scope(failed_only=True)):
        await revoke(mill, other)
        said = await refused(mill)
        assert "1 of 3 devices left" in said
        assert "--device one --things" in said
    await revoke(mill, Scope(devices=("one", "two")))
    await mill.run(LOT + "four\n")
    assert mill.entry("one").outcome == mill.entry("two").outcome == "revoked"
    assert mill.entry("three").outcome is None
    assert mill.state("four") is State.DONE


@pytest.mark.anyio
async def test_devices_that_stay_do_not_keep_a_revoke_from_its_end(mill: Mill) -> None:
    """One that could not be begun with stays as it is, and the run goes on with it."""
    await mill.run(LOT)
    mill.double.faults.script(FIRST_LOOK, Fail("InvalidRequestException"), subject="two", times=None)
    assert (await revoke(mill, Scope(devices=("one", "two")))).kept.keys() == {"two"}
    mill.double.faults.clear()
    await mill.run(LOT)
    assert mill.entry("two").outcome is None


@pytest.mark.anyio
async def test_whoever_changes_their_mind_keeps_what_was_not_begun_with(mill: Mill) -> None:
    """Only what is half taken back goes, and the run goes on with the rest; stopped, that gives up nothing."""
    await mill.run(LOT)
    mill.double.faults.script("UpdateCertificate", Fail("InvalidRequestException"), subject="two", times=None)
    assert (await revoke(mill, Scope(devices=("two",)))).kept.keys() == {"two"}
    await stopped(mill, Scope())
    mill.double.faults.clear()
    assert "3 devices left" in await stopped(mill, Scope(begun_only=True))
    assert "3 of 3 devices left" in await refused(mill)
    told = await revoke(mill, Scope(begun_only=True))
    assert (told.gone, told.notes) == (["two"], ["2 devices of a revoke that was begun are kept"])
    run = await mill.run(LOT)
    assert run.summary is not None
    assert (run.summary.outcomes["done"], run.summary.outcomes["revoked"]) == (2, 1)


@pytest.mark.anyio
async def test_the_reports_say_that_a_revoke_has_not_ended(mill: Mill) -> None:
    """Their headline has what is left, it is no good one, and what to run is the revoke and not the run."""
    await mill.run(LOT)
    await revoke(mill, Scope(devices=("one",)))
    await stopped(mill, Scope(devices=("one", "two")))
    reader = finished_ledger(mill.folder.ledger)
    assert reader is not None
    with closing(reader):
        summary = write_all(reader, mill.folder)
    assert summary.verdict == "1 of 3 devices are revoked, 2 done; a revoke was begun and has 1 left"
    assert summary.is_good is False
    assert summary.verdict in (mill.folder.root / "report.html").read_text(encoding="utf-8")
    stream = io.StringIO()
    final_table(summary, stream=stream)
    assert stream.getvalue().splitlines()[-2:] == [
        "to end the revoke, run with the options of the account",
        "  thingmill revoke run --device one --device two",
    ]


@pytest.mark.anyio
async def test_a_device_that_stays_half_taken_back_is_ended_alone(mill: Mill) -> None:
    """Where the revoke of one device has come to its end, no command is told that takes back the others."""
    await mill.run(LOT)
    mill.double.faults.script("UpdateCertificate", Fail("InvalidRequestException"), subject="two", times=None)
    told = await revoke(mill, Scope(devices=("two",)))
    assert told.kept.keys() == {"two"}
    assert left_of(mill) == Begun((), 1, 1)
    command = "thingmill revoke run --begun-only"
    assert left_of(mill).commands("run") == command
    reader = finished_ledger(mill.folder.ledger)
    assert reader is not None
    stream = io.StringIO()
    with closing(reader):
        final_table(write_all(reader, mill.folder), stream=stream)
    assert stream.getvalue().splitlines()[-1] == f"  {command}"
    assert page(look(mill.folder.root)).count(command) == 1
    said = await refused(mill)
    assert (said.count("thingmill revoke"), f"({command})" in said) == (1, True)
    mill.double.faults.clear()
    assert (await revoke(mill, Scope(begun_only=True))).gone == ["two"]
    await mill.run(LOT)
    assert (mill.entry("one").outcome, mill.entry("three").outcome) == (None, None)


def test_names_in_a_command_are_quoted_for_a_shell() -> None:
    """Whoever copies what ends a revoke runs that, whatever the ledger calls its devices."""
    left = Begun((Scope(devices=("x;touch y;#", "two")),), 2, 0)
    assert left.commands("a b") == "thingmill revoke 'a b' --device 'x;touch y;#' --device two"


@pytest.mark.parametrize("note", ["", "null", "[1]", '[{"devices": 1}]', "[" * 100_000])
def test_a_note_that_nobody_wrote_is_refused(tmp_path: Path, note: str) -> None:
    """A ledger that somebody made up ends in a sentence."""
    with (
        closing(ledger_of(RunFolder(tmp_path), [Fate(device("one"))], {"revokes": note})) as reader,
        pytest.raises(RunFolderError, match="no thingmill can have written"),
    ):
        begun(reader)
