"""``failed.csv`` fed back to ``run``: the devices that it names are taken up, and nothing else is touched."""

from __future__ import annotations

import csv
import json
import shlex
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pipeline import lanes
from pipeline.device import State
from pipeline.ledger import finished_ledger
from tests.core.mill import DOCUMENT, POLICY
from tests.foreign.stage import FAST, Stage
from tests.support.awsiot import Drop, Fail

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.ledger import Entry
    from tests.foreign.stage import Ended
    from tests.support.awsiot import AwsIotDouble, DoubleThread

ISSUE = "CreateCertificateFromCsr"
NAMES = ("one", "two", "three", "open")
MANIFEST = "thing_name,policy,lot\n" + "".join(f"{name},{POLICY},L7\n" for name in NAMES)
OWN = "output/lot/failed.csv"


@pytest.fixture
def stage(tmp_path: Path, double: DoubleThread, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(lanes, "LANES", 1)  # devices come one after the other, in the manifest's order
    return Stage(tmp_path, double, monkeypatch)


def break_off(stage: Stage) -> None:
    """Run until three devices failed, each at another step, and the run stops with the fourth in doubt."""

    def script(double: AwsIotDouble) -> None:
        for operation, name in (("CreateThing", "one"), (ISSUE, "two"), ("AttachThingPrincipal", "three")):
            fault = Fail("InvalidRequestException", message=f"={name}, not today")
            double.faults.script(operation, fault, subject=name)
        double.faults.script(ISSUE, Drop(after=True), subject="open")
        double.faults.script("ListCertificates", Fail("AccessDeniedException", status=403))

    stage.double.run(script)
    stage.write("lot.csv", MANIFEST)
    assert stage.provision("lot.csv").code == 3
    assert {name: (entry.state, entry.outcome) for name, entry in entries(stage).items()} == {
        "one": (State.LISTED, "failed"),
        "two": (State.KEYED, "failed"),
        "three": (State.BUNDLED, "failed"),
        "open": (State.REQUESTED, None),
    }


def fail_one(stage: Stage, operation: str) -> None:
    """Run a manifest of one device, which fails once."""
    stage.double.run(lambda double: double.faults.script(operation, Fail("InvalidRequestException")))
    stage.write("lot.csv", f"id,policy\none,{POLICY}\n")
    assert stage.provision("lot.csv").code == 1


def entries(stage: Stage) -> dict[str, Entry]:
    reader = finished_ledger(stage.run_folder / "ledger.db")
    assert reader is not None
    with closing(reader):
        return {entry.device.thing_name: entry for entry in reader.entries()}


def read(stage: Stage) -> list[dict[str, str]]:
    with (stage.home / OWN).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def save(stage: Stage, rows: list[dict[str, str]], path: str = OWN) -> str:
    """Write rows as a spreadsheet program does that was given them to mend."""
    with (stage.home / path).open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def feed(stage: Stage, path: str = OWN, *options: str) -> Ended:
    return stage.call("run", path, "--yes", *FAST, *options)


def calls(stage: Stage) -> int:
    return stage.double.run(lambda double: len(double.journal.calls))


def operations(stage: Stage, since: int) -> set[str]:
    """Return what was called."""
    return stage.double.run(lambda double: {call.operation for call in double.journal.calls[since:]})


def subjects(stage: Stage, since: int) -> set[str]:
    """Return which of the devices were called about."""
    return stage.double.run(lambda double: {call.subject for call in double.journal.calls[since:]} & set(NAMES))


def test_exactly_the_rows_that_are_left_are_taken_up(stage: Stage) -> None:
    """A row that was taken out stays failed and a device without one stays open, until the manifest is run."""
    break_off(stage)
    rows = read(stage)
    assert [(row["thing_name"], row["failed at step"], row["error code"]) for row in rows] == [
        ("one", "1", "InvalidRequestException"),
        ("two", "4", "InvalidRequestException"),
        ("three", "7", "InvalidRequestException"),
    ]
    before, since = entries(stage), calls(stage)

    save(stage, [row for row in rows if row["thing_name"] != "two"])
    assert feed(stage).code == 1
    after = entries(stage)
    assert subjects(stage, since) == {"one", "three"}
    assert "ListCertificates" not in operations(stage, since)  # nobody looks what became of the doubt
    assert [after[name].state for name in ("one", "three")] == [State.DONE, State.DONE]
    for name in ("two", "open"):
        assert (after[name].state, after[name].outcome) == (before[name].state, before[name].outcome)
        assert str(after[name].error) == str(before[name].error)
    assert [(row["thing_name"], row["error message"]) for row in read(stage)] == [
        ("two", rows[1]["error message"])
    ]

    since = calls(stage)
    assert stage.provision("lot.csv").code == 0
    assert subjects(stage, since) == {"two", "open"}
    certificates = stage.double.run(lambda double: double.account.certificates_by_common_name())
    assert {name: len(found) for name, found in certificates.items()} == dict.fromkeys(NAMES, 1)
    assert not (stage.home / OWN).exists()


def test_a_run_with_an_open_device_is_not_finished_by_its_list(stage: Stage) -> None:
    """When all of the list is done and a device is open, it ends with 1 and tells the command to go on."""
    break_off(stage)
    ended = feed(stage)
    assert (ended.code, (stage.home / OWN).exists()) == (1, False)
    assert "3 of 4 devices are done, 1 open" in ended.out
    words, command = ended.out.splitlines()[-2:]
    assert words == "to go on, run"
    assert shlex.split(command)[:3] == ["thingmill", "run", "lot.csv"]
    assert OWN not in ended.out
    assert "skipped" not in ended.err
    processes = json.loads((stage.run_folder / "summary.json").read_text(encoding="utf-8"))["processes"]
    assert [process["exit_code"] for process in processes] == [3, 1]


def test_what_was_mended_in_the_list_counts(stage: Stage) -> None:
    """Until its key is made a device is made as its row in failed.csv now says, whatever the manifest had."""
    fail_one(stage, "CreateThing")

    def add(double: AwsIotDouble) -> None:
        double.account.registry.create_type("Pump", {})
        double.account.create_policy("strict", DOCUMENT)

    stage.double.run(add)
    [row] = read(stage)
    assert feed(stage, save(stage, [row | {"policy": "strict", "thing_type": "Pump"}])).code == 0
    things, certificates = stage.double.run(
        lambda double: (double.account.registry.things, double.account.certificates_by_common_name())
    )
    assert things["one"].thing_type == "Pump"
    assert [certificate.policies for certificate in certificates["one"]] == [["strict"]]


def test_what_was_mended_too_late_is_refused(stage: Stage) -> None:
    """Once its key is made a row that changed is refused as in any manifest, and nothing is changed."""
    fail_one(stage, ISSUE)
    stage.double.run(lambda double: double.account.create_policy("strict", DOCUMENT))
    [row] = read(stage)
    save(stage, [row | {"policy": "strict"}])
    since = calls(stage)
    ended = feed(stage)
    assert ended.code == 4
    assert "one has its key already" in ended.err
    assert f"policy was {POLICY} and is now strict" in ended.err
    assert subjects(stage, since) == set()
    one = entries(stage)["one"]
    assert (one.outcome, one.device.policy) == ("failed", POLICY)


def test_a_copy_is_refused_with_where_it_belongs(stage: Stage) -> None:
    """A list that was kept elsewhere is refused, with where the run takes it."""
    stage.double.run(lambda double: double.faults.script("CreateThing", Fail("InvalidRequestException")))
    stage.write("lot.csv", "id\none\ntwo\n")
    assert stage.provision("lot.csv").code == 1
    since = calls(stage)
    refused = stage.provision(save(stage, read(stage), "mended.csv"), "--name", "lot")
    assert refused.code == 2
    assert f"save it as {OWN} and run that file" in " ".join(refused.err.split())
    assert subjects(stage, since) == set()


def test_a_list_of_failures_begins_no_run_of_its_own(stage: Stage) -> None:
    """Under another name it would have keys made in clear for a run that encrypts them: its columns tell it."""
    stage.write("todo.csv", "id,failed at step\none,4\n")
    refused = stage.provision("todo.csv", "--name", "other")
    assert refused.code == 2
    assert "take out the columns that say why devices failed" in " ".join(refused.err.split())
    stage.write("todo.csv", "id\none\n")
    assert stage.provision("todo.csv", "--name", "other").code == 0


def test_failed_jsonl_is_fed_back_alike(stage: Stage) -> None:
    """The lines of failed.jsonl say why, too, and the devices of those that are left in it are taken up."""
    for name in ("one", "two"):
        stage.refuse("CreateThing", {name: "no\n=1+1"})
    stage.write("lot.jsonl", '{"id": "one", "hw_rev": "1"}\n{"id": "two", "HW-rev": "2"}\n')
    assert stage.provision("lot.jsonl").code == 1
    own = stage.run_folder / "failed.jsonl"
    lines = own.read_text(encoding="ascii").splitlines()
    assert [(json.loads(line)["failed at step"], json.loads(line)["attributes"]) for line in lines] == [
        (1, {"hw_rev": "1"}),
        (1, {"HW-rev": "2"}),
    ]
    stage.double.run(lambda double: double.faults.clear())
    own.write_text(lines[1] + "\n", encoding="ascii")
    since = calls(stage)
    assert feed(stage, "output/lot/failed.jsonl").code == 1
    assert subjects(stage, since) == {"two"}
    assert entries(stage)["two"].state is State.DONE
