"""A manifest that names other accounts than before: nothing that a run has is done again somewhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core.mill import POLICY
from tests.foreign.stage import FAST
from tests.targets.plant import BERLIN, DUBLIN, REGIONS

if TYPE_CHECKING:
    from tests.targets.plant import Plant

ROWS = {BERLIN: ["b-1", "b-2"], DUBLIN: ["d-1", "d-2"]}


@pytest.fixture
def calls(plant: Plant) -> list[int]:
    """A run on both accounts that is done, and how many calls each of them had."""
    plant.lot(ROWS)
    assert plant.run().code == 0
    return [plant.calls(profile) for profile in ROWS]


def refused(plant: Plant, rows: str, said: str, *words: str) -> None:
    """Run the manifest as it is now: refused with 4, and said so."""
    plant.write("lot.csv", rows)
    ended = plant.run("lot.csv", *words)
    assert (ended.code, said in ended.err) == (4, True), ended.err


def test_a_device_stays_where_its_run_has_it(plant: Plant, calls: list[int]) -> None:
    """A row that goes to another account now is refused before any call, with the run that has its device."""
    moved = f"thing_name,profile\nb-1,{DUBLIN}\nb-2,{BERLIN}\nd-1,{DUBLIN}\nd-2,{DUBLIN}\n"
    refused(plant, moved, f"b-1 is a device of the run lot-{BERLIN}")
    assert [plant.calls(profile) for profile in ROWS] == calls
    assert plant.summary(f"lot-{DUBLIN}")["devices"] == 2


def test_so_it_does_where_no_row_names_its_account_any_more(plant: Plant, calls: list[int]) -> None:
    """The run of an account that was left out is remembered, until its devices are taken back there."""
    rows = f"thing_name,profile,region\nb-1,{DUBLIN},us-east-1\nd-1,{DUBLIN},\nd-2,{DUBLIN},\n"
    refused(plant, rows, f"b-1 is a device of the run lot-{BERLIN}")
    assert [plant.calls(profile) for profile in ROWS] == calls
    assert plant.call("revoke", f"lot-{BERLIN}", "--yes", "--profile", BERLIN, *FAST).code == 0
    ended = plant.run()
    assert ended.code == 0, ended.err
    assert plant.certified(DUBLIN) == dict.fromkeys(["b-1", "d-1", "d-2"], 1)


def test_a_folder_that_was_handed_over_makes_no_other_command(plant: Plant, calls: list[int]) -> None:
    """Whoever copies the advice runs that, whatever the folder of the run that has the device is called."""
    plant.folder(f"lot-{BERLIN}").rename(plant.folder("lot-x;touch y"))
    rows = f"thing_name,profile,region\nb-1,{DUBLIN},us-east-1\nd-1,{DUBLIN},\nd-2,{DUBLIN},\n"
    refused(plant, rows, "(thingmill revoke 'lot-x;touch y' --device b-1)")
    assert [plant.calls(profile) for profile in ROWS] == calls


def test_one_account_that_is_left_is_no_new_run(plant: Plant, calls: list[int]) -> None:
    """Where rows of one account are left, their devices are not done again beside the runs that have them."""
    rows = f"thing_name,profile\nd-1,{DUBLIN}\nd-2,{DUBLIN}\n"
    refused(plant, rows, "has the reports of runs on several accounts and Regions")
    for report in plant.folder("lot").iterdir():
        report.unlink()
    plant.folder("lot").rmdir()
    refused(plant, rows, f"d-1 is a device of the run lot-{DUBLIN}")
    assert [plant.calls(profile) for profile in ROWS] == calls


def test_a_run_on_one_account_does_not_become_several(plant: Plant) -> None:
    """A run that has the name already stays what it is; rows for another account need a name of their own."""
    plant.write("lot.csv", "thing_name\nd-1\nd-2\n")
    assert plant.run("lot.csv", "--profile", DUBLIN).code == 0
    rows = f"thing_name,profile\nd-1,\nd-2,\nb-1,{BERLIN}\n"
    refused(plant, rows, "is a run on one account and Region", "--profile", DUBLIN)
    assert plant.calls(BERLIN) == 0
    assert plant.summary("lot")["outcomes"]["done"] == 2


def test_rows_of_one_account_are_one_run(plant: Plant) -> None:
    """Where all rows name the same profile, or none and the option does, there is one run, and no other folder."""
    plant.write("lot.csv", f"thing_name,aws_profile,AWS-Region\nd-1,{DUBLIN},\nd-2,,{REGIONS[DUBLIN]}\n")
    ended = plant.run("lot.csv", "--profile", DUBLIN, "--region", REGIONS[DUBLIN])
    assert ended.code == 0, ended.err
    assert [place.name for place in (plant.home / "output").iterdir()] == ["lot"]
    assert plant.certified(DUBLIN) == {"d-1": 1, "d-2": 1}
    assert plant.call("verify", "lot").code == 0


def test_what_cannot_be_meant_is_refused(plant: Plant) -> None:
    """The embedded AWS IoT is one account; a name must be one for each run; failures are those of one run."""
    plant.lot(ROWS)
    ended = plant.run("lot.csv", "--local")
    assert (ended.code, "--local is one account in one Region" in ended.err) == (2, True)
    ended = plant.run("lot.csv", "--name", "n" * 125)
    assert (ended.code, "is too long to name a run" in ended.err) == (2, True)
    assert not (plant.home / "output").exists()
    plant.write("one.csv", "thing_name\nd-1\n")
    assert plant.run("one.csv", "--profile", DUBLIN).code == 0
    plant.write("output/one/failed.csv", f"thing_name,profile\nd-1,{DUBLIN}\nb-1,{BERLIN}\n")
    ended = plant.call("run", "output/one/failed.csv", "--policy", POLICY, *FAST)
    assert (ended.code, "goes on with the run that it is of" in ended.err) == (2, True)
