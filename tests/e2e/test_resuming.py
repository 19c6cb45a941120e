"""The same command again: after failures, after a kill, beside another process, and when all is done."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

from tests.e2e.command import DEVICE_POLICY, snapshot
from tests.support.awsiot import Fail, Hang

if TYPE_CHECKING:
    from tests.e2e.command import Workplace
    from tests.support.awsiot import AwsIotDouble, DoubleThread

OPTIONS = ("--key", "ec-p256", "--policy", DEVICE_POLICY)
ISSUE = "CreateCertificateFromCsr"
THREE = "one\ntwo\nthree\n"


def issued(double: AwsIotDouble) -> dict[str, int]:
    """Return how many certificates each common name has on the account."""
    return {name: len(found) for name, found in double.account.certificates_by_common_name().items()}


def calls_of(double: DoubleThread, subject: str, since: int) -> list[str]:
    """Return the operations that were called about a device since the journal had so many entries."""
    return double.run(lambda d: [call.operation for call in d.journal.calls[since:] if call.subject == subject])


def test_a_device_that_failed_goes_on_at_its_step(account: Workplace, double: DoubleThread) -> None:
    """The first run ends with 1 and says how to go on; the second makes only the calls that are left."""
    manifest = account.manifest("line-7.txt", THREE)
    double.run(lambda d: d.faults.script("AttachThingPrincipal", Fail("InvalidRequestException"), subject="two"))
    first = account.run("run", manifest, *OPTIONS, expect=1)
    assert "two" in first.stderr + first.stdout
    assert "thingmill run" in first.stdout
    summary = account.summary("line-7")
    assert summary["outcomes"] == {"done": 2, "failed": 1, "skipped": 0, "open": 0, "revoked": 0}
    assert [group["code"] for group in summary["failures"]] == ["InvalidRequestException"]

    before = double.run(lambda d: len(d.journal.calls))
    account.run("run", manifest, *OPTIONS)
    assert calls_of(double, "two", before) == ["AttachThingPrincipal", "AttachPolicy"]
    assert calls_of(double, "one", before) == []
    assert double.run(issued) == {"one": 1, "two": 1, "three": 1}
    assert not (account.output / "line-7" / "failed.csv").exists()


def test_failed_csv_fed_back_resumes_its_own_run(account: Workplace, double: DoubleThread) -> None:
    """The list of failures is a manifest that goes on with the very run it came from."""
    double.run(lambda d: d.account.registry.create_group("hall-a", None, {}))
    manifest = account.manifest("line-7.csv", "name,group,serial\none,,SN1\ntwo,hall-a,SN2\nthree,,SN3\n")
    double.run(lambda d: d.faults.script(ISSUE, Fail("InvalidRequestException"), subject="two"))
    account.run("run", manifest, *OPTIONS, expect=1)
    failed = account.output / "line-7" / "failed.csv"
    header, row = failed.read_text(encoding="utf-8").splitlines()
    assert header.startswith("thing_name,thing_groups,policy,serial,failed at step,")
    assert row.startswith("two,hall-a,device-policy,SN2,4,InvalidRequestException,")

    account.run("run", str(failed), *OPTIONS)
    assert sorted(path.name for path in account.output.iterdir()) == ["line-7"]
    assert account.summary("line-7")["outcomes"] == {"done": 3, "failed": 0, "skipped": 0, "open": 0, "revoked": 0}
    assert double.run(issued) == {"one": 1, "two": 1, "three": 1}
    assert double.run(lambda d: d.account.registry.things["two"].groups) == ["hall-a"]

    # The whole manifest still is the run's, and nothing is left to do.
    before = double.run(lambda d: len(d.journal.calls))
    account.run("run", manifest, *OPTIONS)
    assert double.run(lambda d: len(d.journal.calls)) == before


def test_rows_appended_to_a_manifest_are_provisioned_by_its_run(account: Workplace, double: DoubleThread) -> None:
    """A finished run whose manifest grew makes the new devices, and leaves the old ones alone."""
    account.run("run", account.manifest("line-7.txt", "one\n"), *OPTIONS)
    before = double.run(lambda d: len(d.journal.calls))
    account.run("run", account.manifest("line-7.txt", "one\ntwo\n"), *OPTIONS)
    assert calls_of(double, "one", before) == []
    assert double.run(issued) == {"one": 1, "two": 1}


def test_a_finished_run_again_makes_no_call(account: Workplace, double: DoubleThread) -> None:
    """Done means done: not one call, not one byte, in every way of asking."""
    manifest = account.manifest("line-7.txt", THREE)
    account.run("run", manifest, *OPTIONS)
    before, calls = snapshot(account.output), double.run(lambda d: len(d.journal.calls))
    for more in ((), ("--json",), ("--quiet",)):
        account.run("run", manifest, *OPTIONS, *more)
    assert snapshot(account.output) == before
    assert double.run(lambda d: len(d.journal.calls)) == calls


def test_a_second_process_leaves_and_a_killed_one_is_resumed(account: Workplace, double: DoubleThread) -> None:
    """While one process has the run, another ends with 4 and names it; after SIGKILL the run simply goes on."""
    manifest = account.manifest("line-7.txt", THREE)
    double.run(lambda d: d.faults.script(ISSUE, Hang(after=True), subject="two"))
    with account.start("run", manifest, *OPTIONS) as first:
        try:
            double.until(lambda d: d.journal.count(ISSUE, subject="two") == 1, timeout=60)
            second = account.run("run", manifest, *OPTIONS, expect=4)
            assert f"in use by process {first.pid}" in second.stderr
        finally:
            first.kill()
    assert first.returncode == -signal.SIGKILL

    account.run("run", manifest, *OPTIONS)
    assert double.run(issued) == {"one": 1, "two": 1, "three": 1}
    assert double.run(lambda d: d.journal.count(ISSUE)) == 3
    account.run("verify", "line-7")


def test_an_interrupt_drains_the_run(account: Workplace, double: DoubleThread) -> None:
    """Ctrl-C ends with 130 once what is in flight is recorded, and the same command goes on from there."""
    manifest = account.manifest("line-7.txt", "\n".join(f"thing-{number:02}" for number in range(20)))
    options = (*OPTIONS, "--rate", "2")
    with account.start("run", manifest, *options) as process:
        double.until(lambda d: d.journal.count(ISSUE) >= 1, timeout=60)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert account.summary("line-7")["outcomes"]["open"] > 0
    assert account.summary("line-7")["processes"][-1]["exit_code"] == 130

    account.run("run", manifest, *OPTIONS)
    found = double.run(issued)
    assert len(found) == 20
    assert set(found.values()) == {1}
    assert double.run(lambda d: d.journal.count(ISSUE)) == 20


def test_json_is_all_that_is_on_stdout(account: Workplace, double: DoubleThread) -> None:
    """With --json each line is an object: every state of every device, each failure, and the summary last."""
    double.run(lambda d: d.faults.script("AttachPolicy", Fail("LimitExceededException"), subject="two"))
    result = account.run("run", account.manifest("line-7.txt", THREE), *OPTIONS, "--json", expect=1)
    events = [json.loads(line) for line in result.stdout.splitlines()]
    steps = [event["step"] for event in events if event["event"] == "reached" and event["thing"] == "one"]
    assert steps == [1, 2, 5, 6, 7, 8]
    [failure] = [event for event in events if event["event"] == "failed"]
    assert (failure["thing"], failure["step"], failure["code"]) == ("two", 8, "LimitExceededException")
    assert events[-1]["event"] == "summary"
    assert {name: events[-1][name] for name in account.summary("line-7")} == account.summary("line-7")


def test_quiet_says_nothing(account: Workplace) -> None:
    """With --quiet a run that goes well leaves stdout and stderr empty."""
    result = account.run("run", account.manifest("line-7.txt", THREE), *OPTIONS, "--quiet")
    assert (result.stdout, result.stderr) == ("", "")


def test_a_manifest_comes_from_standard_input_too(account: Workplace, double: DoubleThread) -> None:
    """A dash reads names from a pipe, and the run is called after it unless it is named."""
    account.run("run", "-", *OPTIONS, "--name", "piped", stdin=THREE)
    assert account.summary("piped")["outcomes"]["done"] == 3
    assert double.run(issued) == {"one": 1, "two": 1, "three": 1}


def test_a_dry_run_changes_nothing(account: Workplace, double: DoubleThread) -> None:
    """It tells who asks, where devices would connect and what would be made, and leaves no trace."""
    manifest = account.manifest("line-7.csv", "name,thing_type\none,Pump\n")
    result = account.run("run", manifest, *OPTIONS, "--create-missing", "--dry-run")
    for told in ("123456789012", "-ats.iot.eu-west-1", "thing type Pump", "policy device-policy", "1 device"):
        assert told in result.stdout
    assert double.run(lambda d: d.journal.mutating_calls) == 0
    assert not account.output.exists()
