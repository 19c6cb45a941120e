"""``merge``: the reports of several runs as one, with what is double and what is missing."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.device import State
from pipeline.part import Part
from tests.core.mill import POLICY
from tests.foreign.stage import FAST
from tests.parts.test_runs import NAMES, provision
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from pathlib import Path

    from tests.foreign.stage import Ended, Stage

PARTS = [f"lot-{number}-of-3" for number in (1, 2, 3)]


@pytest.fixture
def parts(stage: Stage) -> list[str]:
    """Three runs, one for each part of a manifest, all done."""
    for number in (1, 2, 3):
        assert provision(stage, f"{number}/3").code == 0
    return PARTS


def merge(stage: Stage, *words: str, code: int = 0) -> Any:  # noqa: ANN401  a JSON object
    ended = stage.call("merge", *words, "--json")
    assert ended.code == code, ended.err
    return json.loads(ended.out)


def rows(place: Path) -> list[dict[str, str]]:
    with (place / "summary.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def call(stage: Stage, manifest: str, *words: str) -> Ended:
    return stage.call("run", manifest, "--key", "ec-p256", "--policy", POLICY, *FAST, *words)


def test_the_parts_of_a_manifest_are_the_whole(stage: Stage, parts: list[str]) -> None:
    """One report has every row in the manifest's order, each with its bundle's place, and nothing is missing."""
    found = merge(stage, *parts, "--manifest", "lot.txt")
    assert found["whole"] is True
    assert found["summary"]["outcomes"]["done"] == len(NAMES)
    assert [each["run"] for each in found["summary"]["merged_from"]] == parts
    merged = stage.home / "output" / "lot-merged"
    listed = rows(merged)
    assert [row["thing_name"] for row in listed] == NAMES
    for row in listed:
        assert (merged / row["bundle"] / f"{row['thing_name']}.pem").is_file()
    page = (merged / "report.html").read_text(encoding="utf-8")
    assert "These are the reports of 3 runs together." in page


def test_order_and_again_change_nothing(stage: Stage, parts: list[str]) -> None:
    """Merging again, in another order, writes the same rows: what was there before is not counted twice."""
    merge(stage, *parts)
    before = rows(stage.home / "output" / "lot-merged")
    merge(stage, *reversed(parts))
    assert rows(stage.home / "output" / "lot-merged") == before


def test_the_runs_are_not_changed(stage: Stage, parts: list[str]) -> None:
    """Nothing of a run is written: its reports and its ledger are what they were, byte for byte."""
    folders = [stage.home / "output" / part for part in parts]
    watched = [place for folder in folders for place in folder.rglob("*") if place.is_file()]
    before = {place: place.read_bytes() for place in watched}
    merge(stage, *parts)
    assert {place: place.read_bytes() for place in watched} == before


def test_a_part_that_is_missing_is_named(stage: Stage, parts: list[str]) -> None:
    """With or without the manifest: part 2 of 3 is missed, with it devices by name, and the exit code is 1."""
    missed = [name for name in NAMES if Part(2, 3).holds(name)]
    found = merge(stage, parts[0], parts[2], code=1)
    assert found["missing_parts"] == ["2/3"]
    found = merge(stage, parts[0], parts[2], "--manifest", "lot.txt", code=1)
    assert found["in_no_run"] == {"number": len(missed), "names": missed}
    assert found["summary"]["outcomes"]["open"] == len(missed)
    ended = stage.call("merge", parts[0], parts[2], "--manifest", "lot.txt")
    assert "1 part is missing: 2/3" in ended.out
    assert f"{len(missed)} devices of lot.txt are in no run: {missed[0]}" in ended.out


def test_a_device_that_no_manifest_names_is_told(stage: Stage, parts: list[str]) -> None:
    """What was provisioned and is not in the manifest is named, and the exit code is 1."""
    stage.write("short.txt", "".join(f"{name}\n" for name in NAMES[1:]))
    found = merge(stage, *parts, "--manifest", "short.txt", code=1)
    assert found["not_in_manifest"] == {"number": 1, "names": [NAMES[0]]}


def test_two_certificates_for_one_device_are_a_failure(stage: Stage) -> None:
    """A device that two lines have both provisioned fails in the joint report, with the command that mends it."""
    stage.write("a.txt", "one\ntwo\n")
    stage.write("b.txt", "two\nthree\n")
    assert call(stage, "a.txt").code == 0
    assert call(stage, "b.txt", "--existing", "add").code == 0
    found = merge(stage, "a", "b", "--name", "both", code=1)
    assert found["overlaps"] == {
        "number": 1,
        "with_two_certificates": 1,
        "examples": [{"thing": "two", "runs": ["a", "b"], "two_certificates": True}],
    }
    [group] = found["summary"]["failures"]
    assert (group["code"], group["things"]) == ("InTwoRuns", ["two"])
    assert "thingmill revoke RUN --device two" in group["advice"]
    ended = stage.call("merge", "a", "b", "--name", "both")
    assert "1 device is in two runs: two (a and b)" in ended.out
    # And as it says.
    assert stage.call("revoke", "b", "--device", "two", "--yes", *FAST).code == 0
    found = merge(stage, "a", "b", "--name", "both")
    assert found["summary"]["outcomes"]["done"] == 3
    assert found["overlaps"]["with_two_certificates"] == 0


def test_the_reports_say_what_is_missing(stage: Stage, parts: list[str]) -> None:
    """Whoever gets the page alone, or has it written again, does not take two parts of three for all."""
    found = merge(stage, parts[0], parts[2], code=1)
    assert found["summary"]["lacks"] == ["1 part is missing: 2/3"]
    page = (stage.home / "output" / "lot-merged" / "report.html").read_text(encoding="utf-8")
    assert 'href="audit.jsonl"' not in page  # it is beside each of the runs
    assert "What the last process was told" not in page
    assert re.search(r'<h1 class="warn">all \d+ devices are done; 1 part is missing: 2/3</h1>', page)
    ended = stage.call("report", "lot-merged")
    assert "1 part is missing: 2/3" in ended.out.splitlines()[0]


def test_runs_of_one_name_are_told_apart(stage: Stage) -> None:
    """A part that two stations have by mistake has one name in both folders: then these are named whole."""
    stage.write("a.txt", "one\n")
    for output in ("east", "west"):
        assert call(stage, "a.txt", "--existing", "add", "--output", output).code == 0
    ended = stage.call("merge", "east/a", "west/a")
    assert ended.code == 1
    places = [str(stage.home.resolve() / output / "a") for output in ("east", "west")]
    assert f"two: one ({places[0]} and {places[1]})".removeprefix("two: ") in ended.out


def test_a_copy_of_a_run_hides_no_second_certificate(stage: Stage) -> None:
    """Whatever a third run says of the device, it has two certificates."""
    stage.write("a.txt", "one\n")
    stage.write("b.txt", "one\n")
    assert call(stage, "a.txt").code == 0
    assert call(stage, "b.txt", "--existing", "add").code == 0
    shutil.copytree(stage.home / "output" / "a", stage.home / "output" / "copy")
    for order in (("a", "b", "copy"), ("copy", "b", "a"), ("a", "copy", "b")):
        found = merge(stage, *order, "--name", "all", code=1)
        assert [group["code"] for group in found["summary"]["failures"]] == ["InTwoRuns"]


@pytest.mark.parametrize(
    ("how", "whole"),
    [
        ("state = 6, outcome = NULL", False),
        ("state = 6, outcome = 'failed', failed_step = 7, error_code = 'AccessDeniedException'", False),
        ("state = 6, outcome = 'failed', failed_step = 7, error_code = 'ThingContested'", True),
        ("state = 6, outcome = 'revoked'", True),
        ("state = 5, outcome = NULL", True),
    ],
)
def test_a_certificate_that_may_be_attached_is_told(stage: Stage, how: str, whole: bool) -> None:
    """A run that was stopped between attaching a certificate and noting that is no proof that all is well."""
    assert (State.ISSUED, State.BUNDLED) == (5, 6)
    stage.write("a.txt", "one\n")
    stage.write("b.txt", "one\n")
    assert call(stage, "a.txt").code == 0
    assert call(stage, "b.txt", "--existing", "add").code == 0
    with closing(sqlite3.connect(stage.home / "output" / "b" / "ledger.db", isolation_level=None)) as connection:
        connection.execute(f"UPDATE devices SET {how}")  # noqa: S608  our own
    for order in (("a", "b"), ("b", "a")):
        found = merge(stage, *order, "--name", "both", code=0 if whole else 1)
        assert found["whole"] is whole
    if not whole:
        [group] = found["summary"]["failures"]
        assert group["message"] == "the thing one has a certificate of a and perhaps one of b"


def test_a_folder_that_no_report_can_name_is_refused(stage: Stage) -> None:
    """A folder whose name is not UTF-8 is no run to be merged, and no traceback."""
    stage.write("a.txt", "one\n")
    assert call(stage, "a.txt").code == 0
    odd = os.fsdecode(bytes(stage.home / "output") + b"/b\xff")
    (stage.home / "output" / "a").rename(odd)
    ended = stage.call("merge", odd, "--name", "joint")
    assert (ended.code, "is not UTF-8" in ended.err) == (2, True)


def test_a_device_that_one_run_did_is_done(stage: Stage) -> None:
    """Where the second run found the first one's certificate and failed, the device is done: its word counts."""
    stage.write("a.txt", "one\ntwo\n")
    stage.write("b.txt", "two\nthree\n")
    assert call(stage, "a.txt").code == 0
    assert call(stage, "b.txt").code == 1
    for order in (("a", "b"), ("b", "a")):
        found = merge(stage, *order, "--name", "both")
        assert found["summary"]["outcomes"]["done"] == 3
        assert found["overlaps"]["number"] == 1
        assert found["overlaps"]["examples"][0]["runs"] == ["a", "b"]


@pytest.mark.parametrize(
    "words",
    [
        ("verify", "lot-merged"),
        ("verify", "lot-merged", "--remote"),
        ("revoke", "lot-merged", "--yes"),
        ("retire", "lot-merged", "--all", "--yes"),
        ("reconcile", "lot-merged"),
        ("export", "lot-merged", "--format", "der"),
        ("status", "lot-merged"),
        ("merge", "lot-merged", "lot-1-of-3", "--name", "more"),
    ],
)
def test_joint_reports_are_no_run(stage: Stage, words: tuple[str, ...]) -> None:
    """Nothing is taken back, exported or gone on with from reports: the command says which run to name."""
    provision(stage, "1/3")
    merge(stage, "lot-1-of-3", code=1)
    ended = stage.call(*words)
    assert ended.code == 4
    assert "holds the reports of several runs" in ended.err


def test_failures_of_joint_reports_are_not_fed_back(stage: Stage) -> None:
    """failed.csv beside joint reports belongs to several runs: none of them is gone on with from there."""
    stage.double.run(lambda double: double.account.registry.create_thing(NAMES[0], None, {}, None))
    other = stage.double.run(lambda double: double.account.store.issue(make_csr("x").pem, active=True).arn)
    stage.double.run(lambda double: double.account.attach_principal(NAMES[0], other))
    part = next(k for k in (1, 2, 3) if Part(k, 3).holds(NAMES[0]))
    assert provision(stage, f"{part}/3").code == 1
    merge(stage, f"lot-{part}-of-3", code=1)
    ended = call(stage, "output/lot-merged/failed.csv")
    assert (ended.code, "holds the reports of several runs" in ended.err) == (4, True)


def test_the_folder_of_a_run_is_not_written_over(stage: Stage, parts: list[str]) -> None:
    """--name with the name of a run is refused, and that run stays what it is."""
    stage.write("own.txt", "own\n")
    assert call(stage, "own.txt").code == 0
    ended = stage.call("merge", *parts, "--name", "own")
    assert (ended.code, "the folder is a run's own" in ended.err) == (4, True)
    assert stage.call("verify", "own").code == 0


def test_what_cannot_be_meant_is_refused(stage: Stage, parts: list[str]) -> None:
    """A run twice, reports over one of the runs, and runs without a common name need another word."""
    assert "is named twice" in stage.call("merge", parts[0], f"output/{parts[0]}").err
    assert "is one of the runs" in stage.call("merge", *parts, "--name", parts[0]).err
    stage.write("own.txt", "own\n")
    call(stage, "own.txt")
    assert "have no name in common" in stage.call("merge", parts[0], "own").err


def test_a_ledger_with_one_certificate_twice_is_refused(stage: Stage, parts: list[str]) -> None:
    """No thingmill writes one certificate for two devices: such a run is refused, and no report is changed."""
    with closing(sqlite3.connect(stage.home / "output" / parts[0] / "ledger.db")) as one:
        [stolen] = one.execute("SELECT certificate_id FROM devices LIMIT 1").fetchone()
    with closing(sqlite3.connect(stage.home / "output" / parts[1] / "ledger.db")) as other, other:
        other.execute("UPDATE devices SET certificate_id = ? WHERE seq = 1", (stolen,))
    ended = stage.call("merge", *parts)
    assert (ended.code, "is another device's" in ended.err) == (4, True)
    assert not (stage.home / "output" / "lot-merged" / "summary.json").exists()
