"""``thingmill status`` as a process, beside a run that goes on, was killed, and came to its end."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.command import KEYS, Workplace, snapshot
from tests.support.awsiot import DoubleThread, Hang

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ISSUE = "CreateCertificateFromCsr"


@pytest.fixture
def double() -> Iterator[DoubleThread]:
    with DoubleThread() as running:
        yield running


@pytest.fixture
def account(tmp_path: Path, double: DoubleThread) -> Workplace:
    return Workplace(tmp_path / "output", KEYS | {"AWS_ENDPOINT_URL": double.url})


@pytest.fixture
def waiting(account: Workplace, double: DoubleThread) -> Iterator[subprocess.Popen[str]]:
    """A run of two devices, both of which wait for their certificate."""
    double.run(lambda aws: aws.faults.script(ISSUE, Hang(after=True), times=None))
    manifest = account.manifest("fleet.txt", "one\ntwo\n")
    process = account.start("run", manifest, "--key", "ec-p256", "--workers", "1", "--quiet")
    try:
        double.until(lambda aws: aws.journal.count(ISSUE) == 2)
        yield process
    finally:
        process.kill()
        process.communicate()


def status(account: Workplace, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(account.run("status", "fleet", "--json", *arguments).stdout)
    return found


def test_a_run_is_seen_while_it_goes_on_after_a_kill_and_at_its_end(
    account: Workplace, double: DoubleThread, waiting: subprocess.Popen[str]
) -> None:
    """Who has it, what is in doubt, and what came of it, each with exit code 0; nothing is written by a look."""
    found = status(account)
    assert (found["phase"], found["process"], found["in_doubt"], found["left"]) == ("running", waiting.pid, 2, 2)

    waiting.kill()
    waiting.wait()
    ledger = (account.output / "fleet" / "ledger.db").read_bytes()
    names = snapshot(account.output).keys()
    found = status(account)
    assert (found["phase"], found["process"], found["in_doubt"]) == ("stopped", None, 2)
    assert snapshot(account.output).keys() == names
    assert (account.output / "fleet" / "ledger.db").read_bytes() == ledger

    double.run(lambda aws: aws.faults.clear())
    account.run("run", str(account.output.parent / "fleet.txt"), "--key", "ec-p256", "--workers", "1", "--quiet")
    before = snapshot(account.output)
    found = status(account)
    assert (found["phase"], found["states"]["DONE"], found["in_doubt"], found["left"]) == ("finished", 2, 0, 0)
    assert snapshot(account.output) == before


@pytest.mark.usefixtures("waiting")
def test_ctrl_c_ends_a_watch_and_not_the_run(account: Workplace, waiting: subprocess.Popen[str]) -> None:
    """A watch that is interrupted ends with code 130 and without a traceback; the run goes on."""
    watch = subprocess.Popen(
        account.command("status", "fleet", "--watch"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=account.env,
    )
    assert watch.stdout is not None
    assert watch.stdout.readline() == "fleet: running, 0 of 2 done, 2 in doubt, 0 certificates issued\n"
    watch.send_signal(signal.SIGINT)
    _, said = watch.communicate(timeout=60)
    assert (watch.returncode, said) == (130, "")
    assert waiting.poll() is None


def test_a_watch_ends_with_the_run(account: Workplace, waiting: subprocess.Popen[str]) -> None:
    """When the process that has the run is gone, a watch says how the run stands now and ends with code 0."""
    watch = subprocess.Popen(
        account.command("status", "fleet", "--watch", "--json"), stdout=subprocess.PIPE, text=True, env=account.env
    )
    assert watch.stdout is not None
    assert json.loads(watch.stdout.readline())["phase"] == "running"
    waiting.kill()
    waiting.wait()
    last, _ = watch.communicate(timeout=60)
    assert (watch.returncode, json.loads(last)["phase"]) == (0, "stopped")


def test_failed_devices_are_no_failure_of_the_look(account: Workplace, double: DoubleThread) -> None:
    """The exit code is 0 though devices failed: it says whether the run could be read."""
    double.run(lambda aws: aws.account.registry.create_thing("one", None, {"colour": "blue"}, None))
    manifest = account.manifest("fleet.csv", "thing_name,colour\none,red\n")
    account.run("run", manifest, "--key", "ec-p256", "--workers", "1", "--quiet", expect=1)
    assert status(account)["failed_by_code"] == {"ThingDiffers": 1}


def test_what_cannot_be_read_has_the_code_of_its_error(account: Workplace) -> None:
    """No run ends with 2, and a ledger that is none with 4."""
    assert "there is no run" in account.run("status", "fleet", expect=2).stderr
    (account.output / "fleet").mkdir(parents=True)
    (account.output / "fleet" / "ledger.db").write_bytes(b"this is no ledger" * 100)
    assert "no ledger" in account.run("status", "fleet", expect=4).stderr
