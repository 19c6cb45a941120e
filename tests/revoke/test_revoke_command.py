"""``thingmill revoke`` as a process: its plan, its question, its events and its exit codes."""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pipeline.aws.quotas import DEFAULTS
from tests.e2e.command import DEVICE_POLICY, KEYS, Workplace
from tests.revoke.accounts import listed
from tests.support.awsiot import DoubleThread, Fail
from tests.support.beginning import Beginning

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = ("--key", "ec-p256", "--policy", DEVICE_POLICY, "--group", "line-7", "--create-missing", "--yes")
FAST = [f"--quota={api}=50000" for api in DEFAULTS]


@pytest.fixture(scope="module")
def double() -> Iterator[DoubleThread]:
    with DoubleThread() as running:
        yield running


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, double: DoubleThread) -> tuple[Workplace, Beginning]:
    """A workplace with a run of three devices that is done, made once for all tests."""
    workplace = Workplace(tmp_path_factory.mktemp("done") / "output", KEYS | {"AWS_ENDPOINT_URL": double.url})
    workplace.run("run", workplace.manifest("lot.txt", "one\ntwo\nthree\n"), *RUN, *FAST)
    return workplace, Beginning(workplace.output, double)


@pytest.fixture
def account(done: tuple[Workplace, Beginning]) -> Workplace:
    """The workplace as it was before the first test."""
    workplace, beginning = done
    beginning.restore()
    return workplace


def changes(double: DoubleThread) -> int:
    return double.run(lambda running: running.journal.mutating_calls)


def test_without_a_terminal_it_wants_to_be_told_yes(account: Workplace, double: DoubleThread) -> None:
    """Nobody is there to be asked: it ends with code 2 before any call, and says what to add."""
    calls = double.run(lambda running: len(running.journal.calls))
    ended = account.run("revoke", "lot", expect=2)
    assert "--dry-run" in ended.stderr
    assert "--yes" in ended.stderr
    assert double.run(lambda running: len(running.journal.calls)) == calls


def test_a_dry_run_shows_the_plan_and_changes_nothing(account: Workplace, double: DoubleThread) -> None:
    """The plan names account, Region and identity, and counts what would go; ledger and account stay."""
    before, ledger = changes(double), (account.output / "lot" / "ledger.db").read_bytes()
    ended = account.run("revoke", "lot", "--dry-run", "--things", "--purge", *FAST)
    assert ended.stdout.splitlines() == [
        "account 123456789012 in eu-west-1 as arn:aws:iam::123456789012:user/line-7",
        "3 devices of lot are to be taken back:",
        "        3 certificates, detached from all things and policies, set inactive and deleted",
        "        3 things that the run made, deleted",
        "        1 policy that the run made, deleted: device-policy",
        "        1 thing group that the run made, deleted: line-7",
        "        3 folders with keys and bundles, removed with what export/ has of these devices",
        "what stays: what was exported with --to",
    ]
    assert changes(double) == before
    assert (account.output / "lot" / "ledger.db").read_bytes() == ledger


def test_a_plan_says_what_stays(account: Workplace) -> None:
    """Where things and keys are not asked for, the plan says that they stay, and how to have them go."""
    ended = account.run("revoke", "lot", "--dry-run", "--device", "two", *FAST)
    assert "1 device of lot is to be taken back:" in ended.stdout
    assert "what stays: things (see --things), keys and bundles on disk (see --purge)" in ended.stdout


def test_with_yes_it_is_done_and_again_there_is_nothing(account: Workplace, double: DoubleThread) -> None:
    """What was taken back is counted; a second time it says that nothing is left, and changes nothing."""
    ended = account.run("revoke", "lot", "--things", "--purge", "--yes", *FAST)
    assert ended.stdout.splitlines()[-1] == "lot: 3 devices taken back"
    assert double.run(listed) == {name: {} for name in double.run(listed)}
    assert account.summary("lot")["outcomes"]["revoked"] == 3
    before = changes(double)
    again = account.run("revoke", "lot", "--things", "--purge", "--yes", *FAST)
    assert again.stdout.splitlines()[-1] == "lot: nothing is left to take back"
    assert changes(double) == before


def test_the_manifest_run_again_is_refused_without_a_call(account: Workplace, double: DoubleThread) -> None:
    """A finished run that was revoked is refused with code 4 before any call, and its reports stay as they are."""
    account.run("revoke", "lot", "--yes", *FAST)
    calls = double.run(lambda running: len(running.journal.calls))
    ended = account.run("run", str(account.output.parent / "lot.txt"), *RUN, expect=4)
    assert "was revoked" in ended.stderr
    assert "--name" in ended.stderr
    assert double.run(lambda running: len(running.journal.calls)) == calls


def test_a_run_revoked_in_part_says_how_much(account: Workplace) -> None:
    """A run of which one device is revoked can be gone on with, and says how much of it is."""
    account.run("revoke", "lot", "--device", "two", "--yes", *FAST)
    ended = account.run("run", str(account.output.parent / "lot.txt"), *RUN)
    assert "1 of 3 devices are revoked, 2 done" in ended.stdout


def test_bars_leave_out_what_was_taken_back(account: Workplace) -> None:
    """A run that goes on shows its other devices alone: done is what can connect."""
    account.run("revoke", "lot", "--device", "two", "--yes", *FAST)
    with closing(sqlite3.connect(account.output / "lot" / "ledger.db", isolation_level=None)) as connection:
        connection.execute("UPDATE devices SET state = 7 WHERE thing_name = 'one'")
    lines = account.run("run", str(account.output.parent / "lot.txt"), *RUN).stderr.splitlines()
    assert "  done 2/2" in next(line for line in reversed(lines) if "things" in line)


def test_what_stays_is_named_and_the_code_is_1(account: Workplace, double: DoubleThread) -> None:
    """A device that cannot be taken back is on standard error with its reason, and the others are gone."""
    double.run(
        lambda running: running.faults.script(
            "DetachPolicy", Fail("InvalidRequestException", message="no \x1b[31mway"), subject="two", times=None
        )
    )
    ended = account.run("revoke", "lot", "--yes", *FAST, expect=1)
    assert "stays: two: DetachPolicy was refused: no \\x1b[31mway" in ended.stderr
    assert ended.stdout.splitlines()[-2:] == [
        "lot: 2 devices taken back",
        "1 could not be; mend what is named above, then run the same command again",
    ]


def test_events_come_an_object_a_line(account: Workplace, double: DoubleThread) -> None:
    """With --json standard output has the plan, each device, what stays, and the summary, and nothing else."""
    double.run(
        lambda running: running.faults.script(
            "DeleteThing", Fail("VersionConflictException"), subject="two", times=None
        )
    )
    ended = account.run("revoke", "lot", "--things", "--yes", "--json", *FAST, expect=1)
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    first, *middle, last = events
    assert (first["event"], first["devices"], first["account"]) == ("plan", 3, "123456789012")
    assert first["made"] == {"policy": ["device-policy"], "thing group": ["line-7"]}
    assert sorted(event["thing"] for event in middle if event["event"] == "revoked") == ["one", "three"]
    assert [event["thing"] for event in middle if event["event"] == "stays"] == ["two"]
    assert (last["event"], last["outcomes"]["revoked"]) == ("summary", 2)


def test_a_device_that_is_not_the_runs_is_refused(account: Workplace) -> None:
    """A name that the run does not have, though it be SQL, ends it with code 2."""
    for name in ("nobody", "one') OR ('1'='1", "ONE"):
        ended = account.run("revoke", "lot", "--device", name, "--yes", *FAST, expect=2)
        assert "no such device" in ended.stderr


def test_a_missing_permission_ends_it_with_code_3(account: Workplace, double: DoubleThread) -> None:
    """Refused for all, it stops, says which permission is missing, and can be run again."""
    double.run(lambda running: running.faults.deny("DeleteCertificate"))
    ended = account.run("revoke", "lot", "--yes", *FAST, expect=3)
    assert "DeleteCertificate was refused" in ended.stderr
    double.run(lambda running: running.faults.clear())
    account.run("revoke", "lot", "--yes", *FAST)
    assert double.run(lambda running: len(running.account.store.certificates)) == 0


def test_a_revoke_that_ended_half_way_is_told_and_the_rest_can_be_kept(
    account: Workplace, double: DoubleThread
) -> None:
    """Refused before its first change, it still is one that was begun: status, run and --begun-only say so."""
    manifest = str(account.output.parent / "lot.txt")
    double.run(lambda running: running.faults.deny("DescribeCertificate"))
    account.run("revoke", "lot", "--failed-only", "--yes", *FAST)  # nothing to do, so nothing is begun
    account.run("run", manifest, *RUN)
    account.run("revoke", "lot", "--device", "two", "--yes", *FAST, expect=3)
    double.run(lambda running: running.faults.clear())
    assert "a revoke was begun: 1 of 3 devices left to take back" in account.run("status", "lot").stdout
    refused = " ".join(account.run("run", manifest, *RUN, expect=4).stderr.split())
    assert "1 of 3 devices left to take back" in refused
    assert "thingmill revoke lot --device two" in refused
    assert "--begun-only names devices itself" in (
        account.run("revoke", "lot", "--begun-only", "--failed-only", "--yes", expect=2).stderr
    )
    before = changes(double)
    kept = "1 device of a revoke that was begun is kept"
    assert kept in account.run("revoke", "lot", "--begun-only", "--dry-run", *FAST).stdout
    account.run("run", manifest, *RUN, expect=4)
    assert kept in account.run("revoke", "lot", "--begun-only", "--yes", *FAST).stdout
    account.run("run", manifest, *RUN)
    assert changes(double) == before


def answer(workplace: Workplace, words: tuple[str, ...], text: str) -> tuple[int, str]:
    """Run a command at a terminal, answer its question, and return its exit code and what stood there."""
    terminal, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            workplace.command(*words), stdin=theirs, stdout=theirs, stderr=theirs, env=workplace.env
        )
        os.close(theirs)
        shown = ""
        answered = False
        while True:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # the process ended: nobody has the other side any more (EIO, pty(7))
                break
            if not piece:
                break
            shown += piece.decode("utf-8", "replace")
            if "Go on?" in shown and not answered:
                answered = True
                os.write(terminal, text.encode())
        return process.wait(timeout=60), shown
    finally:
        os.close(terminal)


def test_at_a_terminal_it_asks(account: Workplace, double: DoubleThread) -> None:
    """The plan comes first, then the question; no is the default and changes nothing, and yes does it."""
    before = changes(double)
    code, shown = answer(account, ("revoke", "lot", *FAST), "\n")
    assert (code, changes(double)) == (2, before)
    assert shown.index("3 devices of lot are to be taken back") < shown.index("Go on?")
    code, shown = answer(account, ("revoke", "lot", *FAST), "y\n")
    assert code == 0, shown
    assert shown.count("3 devices of lot are to be taken back") == 1
    assert "lot: 3 devices taken back" in shown
    assert double.run(lambda running: len(running.account.store.certificates)) == 0


def test_where_nothing_is_left_a_listing_is_still_cleared(account: Workplace) -> None:
    """A kill can come between the last device and the listings: once more without --yes does what was left."""
    account.run("export", "lot", "--format", "bulk-results")
    listing = account.output / "lot" / "export" / "bulk-results" / "results.json"
    stale = listing.read_bytes()
    account.run("revoke", "lot", "--yes", *FAST)
    assert (listing.read_bytes(), len(stale.splitlines())) == (b"", 3)
    listing.write_bytes(stale)
    code, shown = answer(account, ("revoke", "lot", *FAST), "")
    assert code == 0, shown
    assert "nothing is left to take back" in shown
    assert listing.read_bytes() == b""
