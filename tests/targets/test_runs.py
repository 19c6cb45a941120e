"""``run`` with rows for two accounts: each device on its own, once, whatever happens to one of them."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from pipeline import workshop
from pipeline.aws.limiter import Budget
from pipeline.lock import RunLock
from pipeline.workers import Workers
from tests.core.mill import DOCUMENT, POLICY
from tests.e2e.command import snapshot
from tests.foreign.stage import FAST
from tests.support.awsiot import Fail, Slow
from tests.targets.plant import BERLIN, DUBLIN

if TYPE_CHECKING:
    from pipeline.device import KeyReceipt
    from pipeline.keymaking import KeyOrder
    from tests.support.awsiot import AwsIotDouble
    from tests.targets.plant import Plant

HERE = {BERLIN: ["b-1", "b-2", "b-3"], DUBLIN: ["d-1", "d-2", "d-3"]}
ISSUE = "CreateCertificateFromCsr"


def once(names: list[str]) -> dict[str, int]:
    return dict.fromkeys(names, 1)


def test_each_device_is_on_its_own_account_once(plant: Plant) -> None:
    """Both runs are whole by themselves, the joint reports have every row, and doing it again does nothing."""
    names = plant.lot(HERE)
    ended = plant.run()
    assert ended.code == 0, ended.err
    assert {profile: plant.certified(profile) for profile in HERE} == {
        profile: once(found) for profile, found in HERE.items()
    }
    with (plant.folder("lot") / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["thing_name"] for row in rows] == names
    assert all((plant.folder("lot") / row["bundle"] / f"{row['thing_name']}.pem").is_file() for row in rows)
    assert [plant.summary(f"lot-{profile}")["region"] for profile in HERE] == ["eu-central-1", "eu-west-1"]
    for profile in HERE:
        assert plant.call("verify", f"lot-{profile}").code == 0
    before, calls = snapshot(plant.home / "output"), [plant.calls(profile) for profile in HERE]
    assert plant.run().code == 0
    assert snapshot(plant.home / "output") == before
    assert [plant.calls(profile) for profile in HERE] == calls


def test_they_share_one_workshop(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pool makes the keys of all, one process writes, --rate is one budget; each run knows what is its own."""
    budgets: list[Budget] = []
    pools: list[Workers] = []
    turns: Counter[int] = Counter()
    keys: Counter[int] = Counter()

    class WatchedPace(workshop.Pace):
        async def acquire(self) -> None:
            turns[id(self)] += 1
            await super().acquire()

    class WatchedCustomer(workshop.Customer):
        async def make(self, order: KeyOrder) -> KeyReceipt:
            keys[id(self)] += 1
            return await super().make(order)

    class WatchedBudget(Budget):
        def __init__(self, grant: float) -> None:
            super().__init__(grant)
            budgets.append(self)

    def watched(workers: int, batch: int) -> Workers:
        pools.append(Workers(workers, batch))
        return pools[-1]

    monkeypatch.setattr(workshop, "Budget", WatchedBudget)
    monkeypatch.setattr(workshop, "Workers", watched)
    monkeypatch.setattr(workshop, "Pace", WatchedPace)
    monkeypatch.setattr(workshop, "Customer", WatchedCustomer)
    plant.lot(HERE)
    assert plant.run("lot.csv", "--rate", "500").code == 0
    assert [(budget.grant, budget.calls) for budget in budgets] == [(500.0, 6)]
    assert len(pools) == 2
    assert sorted(turns.values()) == sorted(keys.values()) == [3, 3]


def test_ctrl_c_stops_all_and_the_same_command_goes_on(plant: Plant) -> None:
    """One signal ends all runs in order with 130; then every device has one certificate, on its own account."""
    rows = {profile: [f"{profile[0]}-{number}" for number in range(12)] for profile in HERE}
    plant.lot(rows)

    def interrupt(double: AwsIotDouble) -> None:
        def arrived(operation: str, _: object) -> None:
            if operation == "AttachThingPrincipal":
                double.on_request = None
                os.kill(os.getpid(), signal.SIGINT)

        double.on_request = arrived

    for double in plant.doubles.values():
        double.run(lambda running: running.faults.script("AttachThingPrincipal", Slow(0.3), times=None))
    plant.doubles[DUBLIN].run(interrupt)
    ended = plant.run()
    assert (ended.code, "the runs were stopped; what was in flight is recorded" in ended.err) == (130, True)
    assert plant.summary("lot")["outcomes"]["open"] > 0
    for profile in rows:
        assert plant.summary(f"lot-{profile}")["outcomes"]["open"] > 0
        plant.doubles[profile].run(lambda running: running.faults.clear())
    ended = plant.run()
    assert ended.code == 0, ended.err
    for profile, names in rows.items():
        assert plant.certified(profile) == once(names)
        assert plant.calls(profile, ISSUE) == len(names)


def test_nothing_begins_anywhere_where_one_account_refuses(plant: Plant) -> None:
    """All accounts are looked at before the first device of any, and all that refuse say so at once."""
    plant.write("lot.csv", f"thing_name,profile,policy\nb-1,{BERLIN},gone\nd-1,{DUBLIN},\nd-2,{DUBLIN},gone-too\n")
    ended = plant.run()
    assert ended.code == 3
    for said in (
        f"{BERLIN}: account 123456789012 in eu-central-1 lacks one policy",
        f"{DUBLIN}: account 123456789012 in eu-west-1 lacks one policy",
        "lot.csv:2:12: there is no policy gone",
        "no device of any of the 2 runs was begun",
    ):
        assert said in ended.err
    assert [plant.calls(profile, "CreateThing") for profile in HERE] == [0, 0]
    assert not (plant.home / "output").exists()


@pytest.mark.parametrize("late", [False, True])
def test_one_that_refuses_is_enough(plant: Plant, late: bool) -> None:
    """Where the other is ready nothing begins either: its account refuses, or its run folder is in use."""
    plant.write(
        "lot.csv", f"thing_name,profile,policy\nb-1,{BERLIN},{POLICY if late else 'gone'}\nd-1,{DUBLIN},\n"
    )
    with ExitStack() as stack:
        if late:
            plant.folder(f"lot-{BERLIN}").mkdir(parents=True, mode=0o700)
            stack.enter_context(RunLock(plant.folder(f"lot-{BERLIN}") / ".lock"))
        ended = plant.run()
    assert ended.code == (4 if late else 3)
    assert "no device of any of the 2 runs was begun" in ended.err
    assert DUBLIN not in ended.err
    assert [plant.calls(profile, "CreateThing") for profile in HERE] == [0, 0]
    if late:
        assert plant.run().code == 0


def test_joint_reports_follow_what_a_run_has_become(plant: Plant) -> None:
    """A device that was taken back of one run is told by the next command, which makes no call for it."""
    plant.lot(HERE)
    assert plant.run().code == 0
    words = ("--device", "b-1", "--yes", "--profile", BERLIN, *FAST)
    assert plant.call("revoke", f"lot-{BERLIN}", *words).code == 0
    calls = plant.calls(BERLIN)
    assert plant.run().code == 0
    assert plant.summary("lot")["outcomes"] == {"done": 5, "failed": 0, "skipped": 0, "open": 0, "revoked": 1}
    assert plant.calls(BERLIN) == calls


def test_names_are_looked_for_where_they_are_used(plant: Plant) -> None:
    """A policy or a group that only the rows of one account name need not be on the other."""
    plant.doubles[BERLIN].run(lambda double: double.account.create_policy("only-here", DOCUMENT))
    plant.doubles[DUBLIN].run(lambda double: double.account.registry.create_group("hall-d", None, {}))
    plant.write(
        "lot.csv",
        f"thing_name,profile,policy,group\nb-1,{BERLIN},only-here,\nd-1,{DUBLIN},,hall-d\nd-2,{DUBLIN},,hall-d\n",
    )
    assert plant.run().code == 0


def test_what_stops_one_later_stops_no_other(plant: Plant) -> None:
    """Credentials that lose a permission end that run alone, the code says so, and only it goes on afterwards."""
    plant.lot(HERE)
    plant.doubles[BERLIN].run(lambda double: double.faults.deny(ISSUE))
    ended = plant.run()
    assert ended.code == 3
    assert f"thingmill: {BERLIN}: " in ended.err
    assert plant.certified(DUBLIN) == once(HERE[DUBLIN])
    assert plant.summary("lot")["outcomes"] == {"done": 3, "failed": 0, "skipped": 0, "open": 3, "revoked": 0}
    plant.doubles[BERLIN].run(lambda double: double.faults.clear())
    calls = plant.calls(DUBLIN)
    assert plant.run().code == 0
    assert plant.calls(DUBLIN) == calls
    assert plant.certified(BERLIN) == once(HERE[BERLIN])


def test_failures_go_on_with_their_own_run(plant: Plant) -> None:
    """failed.csv of a run goes on with it, by the profile that is given; the joint reports follow later."""
    plant.lot(HERE)
    refusal = Fail("InvalidRequestException")
    plant.doubles[DUBLIN].run(lambda double: double.faults.script("AttachThingPrincipal", refusal, subject="d-2"))
    ended = plant.run()
    assert ended.code == 1
    assert "once what failed is mended, run\n  thingmill run lot.csv" in ended.out
    assert not (plant.folder(f"lot-{BERLIN}") / "failed.csv").exists()
    words = ("--policy", POLICY, "--profile", DUBLIN, *FAST)
    assert plant.call("run", f"output/lot-{DUBLIN}/failed.csv", *words).code == 0
    assert plant.summary("lot")["outcomes"]["failed"] == 1
    calls = plant.calls(DUBLIN)
    assert plant.run().code == 0
    assert (plant.summary("lot")["outcomes"]["done"], plant.calls(DUBLIN)) == (6, calls)


def test_events_are_those_of_one_run(plant: Plant) -> None:
    """--json tells begin and summary once, each device's steps once, and of a note where it is from."""
    names = plant.lot(HERE)
    events = [json.loads(line) for line in plant.run("lot.csv", "--json").out.splitlines()]
    assert [event["event"] for event in (events[0], events[-1])] == ["begin", "summary"]
    assert (events[0]["run"], events[0]["devices"]) == ("lot", 6)
    assert {event["event"] for event in events[1:-1]} == {"reached", "note"}
    done = [event["thing"] for event in events if event.get("state") == "DONE"]
    assert sorted(done) == sorted(names)
    notes = [event["message"] for event in events if event["event"] == "note"]
    assert {note.partition(": ")[0] for note in notes} == set(HERE)
    assert events[-1]["outcomes"]["done"] == 6
    assert [each["run"] for each in events[-1]["merged_from"]] == [f"lot-{BERLIN}", f"lot-{DUBLIN}"]


def test_a_dry_run_looks_at_each_account(plant: Plant) -> None:
    """Each says what it would do, under its name; nothing is made, and one that refuses decides the exit code."""
    plant.lot(HERE)
    ended = plant.run("lot.csv", "--dry-run")
    assert ended.code == 0
    for profile in HERE:
        assert f"{profile}: would provision 3 devices in output/lot-{profile}" in ended.out
    plant.doubles[DUBLIN].run(lambda double: double.account.policies.clear())
    ended = plant.run("lot.csv", "--dry-run")
    assert (ended.code, f"{DUBLIN}: account" in ended.err) == (3, True)
    assert f"{BERLIN}: would provision 3 devices" in ended.out
    assert not (plant.home / "output").exists()


def test_a_part_of_such_a_manifest(plant: Plant) -> None:
    """--part comes first: each part has a run for each account, also where it has no device there."""
    names = plant.lot({BERLIN: ["b-1"], DUBLIN: ["d-1"]})
    for part in ("1/2", "2/2"):
        assert plant.run("lot.csv", "--part", part).code == 0
    assert {place.name for place in (plant.home / "output").iterdir()} == {
        f"lot-{part}-of-2{target}" for part in (1, 2) for target in ("", f"-{BERLIN}", f"-{DUBLIN}")
    }
    runs = [f"lot-{part}-of-2-{target}" for part in (1, 2) for target in HERE]
    merged = json.loads(plant.call("merge", *runs, "--name", "all", "--manifest", "lot.csv", "--json").out)
    assert (merged["whole"], merged["summary"]["outcomes"]["done"]) == (True, len(names))
