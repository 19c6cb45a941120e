"""``run --part``: a station provisions its part of a manifest, and nothing else."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

from pipeline.part import Part
from tests.core.mill import POLICY
from tests.foreign.stage import FAST

if TYPE_CHECKING:
    import pytest

    from tests.foreign.stage import Ended, Stage

NAMES = [f"unit-{number:02}" for number in range(12)]


def provision(stage: Stage, part: str, *words: str) -> Ended:
    stage.write("lot.txt", "".join(f"{name}\n" for name in NAMES))
    return stage.call("run", "lot.txt", "--key", "ec-p256", "--policy", POLICY, "--part", part, *FAST, *words)


def devices(stage: Stage, run: str) -> set[str]:
    return {place.name for place in (stage.home / "output" / run / "devices").iterdir()}


def test_all_parts_together_are_the_manifest(stage: Stage) -> None:
    """Each part has its folder, and every device is provisioned once, by the part that it is of."""
    for number in (1, 2, 3):
        assert provision(stage, f"{number}/3").code == 0
        held = {name for name in NAMES if Part(number, 3).holds(name)}
        assert devices(stage, f"lot-{number}-of-3") == held
    issued = stage.double.run(lambda double: double.account.certificates_by_common_name())
    assert {name: len(found) for name, found in issued.items()} == dict.fromkeys(NAMES, 1)


def test_a_part_that_is_done_is_done(stage: Stage) -> None:
    """The same command again makes no call, as for a whole manifest."""
    provision(stage, "1/3")
    calls = stage.double.run(lambda double: len(double.journal.calls))
    assert provision(stage, "1/3").code == 0
    assert stage.double.run(lambda double: len(double.journal.calls)) == calls


def test_a_job_of_aws_batch_takes_its_part(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same command in each job of an array: the variables of AWS Batch say which part it is."""
    monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", "1")
    monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_SIZE", "3")
    assert provision(stage, "batch").code == 0
    assert devices(stage, "lot-2-of-3") == {name for name in NAMES if Part(2, 3).holds(name)}


def test_a_part_without_devices_is_done(stage: Stage) -> None:
    """Of more parts than devices some are empty: such a job ends well, with reports that say so."""
    empty = next(k for k in range(1, 101) if not any(Part(k, 100).holds(name) for name in NAMES))
    ended = provision(stage, f"{empty}/100")
    assert ended.code == 0, ended.err
    folder = stage.home / "output" / f"lot-{empty}-of-100"
    assert json.loads((folder / "summary.json").read_text())["devices"] == 0
    assert (folder / "report.html").exists()
    assert provision(stage, f"{empty}/100").code == 0


def test_a_fault_in_another_part_is_told(stage: Stage) -> None:
    """The whole manifest is checked by each station, duplicates across parts too, before any of them begins."""
    stage.write("lot.txt", "".join(f"{name}\n" for name in [*NAMES, NAMES[0]]))
    other = next(k for k in (1, 2, 3) if not Part(k, 3).holds(NAMES[0]))
    ended = stage.call("run", "lot.txt", "--part", f"{other}/3", "--key", "ec-p256")
    assert ended.code == 2
    assert "thing name 'unit-00' is on line 1 already" in ended.err


def test_failures_of_a_part_are_fed_back_as_ever(stage: Stage) -> None:
    """failed.csv goes on with the part that it is of, without naming it; a device of another part is refused."""
    own = next(name for name in NAMES if Part(1, 3).holds(name))
    stage.double.run(lambda double: double.account.registry.create_thing(own, None, {"colour": "red"}, None))
    stage.write("lot.csv", "thing_name,colour\n" + "".join(f"{name},blue\n" for name in NAMES))
    words = ("--key", "ec-p256", "--policy", POLICY, *FAST)
    assert stage.call("run", "lot.csv", "--part", "1/3", *words).code == 1
    failed = stage.home / "output" / "lot-1-of-3" / "failed.csv"
    with failed.open(newline="") as file:
        assert [row["thing_name"] for row in csv.DictReader(file)] == [own]
    stranger = next(name for name in NAMES if not Part(1, 3).holds(name))
    kept = failed.read_text()
    failed.write_text(f"thing_name,colour\n{stranger},blue\n")
    ended = stage.call("run", str(failed), *words)
    assert (ended.code, f"{stranger} is no device of this run" in ended.err) == (4, True)
    failed.write_text(kept)
    stage.double.run(lambda double: double.account.registry.things.pop(own))
    assert stage.call("run", str(failed), *words).code == 0
    assert devices(stage, "lot-1-of-3") == {name for name in NAMES if Part(1, 3).holds(name)}


def test_the_plan_of_a_part_is_of_its_devices(stage: Stage) -> None:
    """Plan --part reckons with the devices of the part, and with one more call for each."""
    stage.write("lot.txt", "".join(f"{name}\n" for name in NAMES))
    ended = stage.call("plan", "lot.txt", "--part", "2/3", "--offline", "--key", "ec-p256", "--json")
    found = json.loads(ended.out)
    held = sum(Part(2, 3).holds(name) for name in NAMES)
    assert found["devices"] == held
    assert {stage["name"]: stage["count"] for stage in found["stages"]}["ListThingPrincipals"] == held
