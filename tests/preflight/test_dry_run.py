"""What a person reads of the checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.command import DEVICE_POLICY, KEYS, Workplace
from tests.support.awsiot import DoubleThread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPTIONS = ("--key", "ec-p256", "--policy", DEVICE_POLICY)


@pytest.fixture
def double() -> Iterator[DoubleThread]:
    with DoubleThread() as running:
        yield running


@pytest.fixture
def account(tmp_path: Path, double: DoubleThread) -> Workplace:
    return Workplace(tmp_path / "output", KEYS | {"AWS_ENDPOINT_URL": double.url})


def test_a_dry_run_tells_the_result_of_each_check(account: Workplace) -> None:
    """One line for each, in words, and nothing is made, not even the output folder."""
    result = account.run("run", account.manifest("line.txt", "one\ntwo\n"), *OPTIONS, "--dry-run")
    lines = dict(line.split(": ", 1) for line in result.stdout.splitlines() if ": " in line)
    assert {"file system", "permissions", "disk", "clock", "credentials"} <= lines.keys()
    assert "IAM allows all" in lines["permissions"]
    assert not account.output.exists()
    assert sorted(path.name for path in account.output.parent.iterdir()) == ["line.txt"]


def test_a_dry_run_says_that_devices_get_no_policy(account: Workplace) -> None:
    """Before anything is made one learns that certificates will be of no use; else nothing is said."""
    manifest = account.manifest("line.csv", "id,policy\none,\ntwo,device-policy\n")
    told = "1 of 2 devices gets no policy: a certificate without one may do nothing by itself (see --policy)"
    account.run("run", account.manifest("all.txt", "a\n"), *OPTIONS, "--yes")
    assert told in account.run("run", manifest, "--key", "ec-p256", "--dry-run").stdout.splitlines()
    assert "no policy" not in account.run("run", manifest, *OPTIONS, "--dry-run").stdout


def test_a_run_says_only_what_is_a_worry(account: Workplace, double: DoubleThread) -> None:
    """Where all is well, a run's notes are as short as ever."""
    manifest = account.manifest("line.txt", "one\n")
    quiet = account.run("run", manifest, *OPTIONS, "--yes").stderr
    assert not {"permissions", "disk", "clock", "credentials"} & set(quiet.replace(":", "").split())
    double.run(lambda d: d.faults.deny("SimulatePrincipalPolicy", "AccessDenied"))
    assert (
        "permissions: they could not be checked"
        in account.run("run", account.manifest("other.txt", "two\n"), *OPTIONS, "--yes").stderr
    )


def test_credentials_that_have_ended_end_with_3(account: Workplace) -> None:
    """In one sentence with advice, and without a word of botocore's."""
    account.environment |= {"AWS_SESSION_TOKEN": "x", "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z"}
    result = account.run("run", account.manifest("line.txt", "one\n"), *OPTIONS, expect=3)
    assert result.stderr.startswith("thingmill: the credentials in the environment ended at 2020-01-01 00:00 UTC")
    assert len(result.stderr.splitlines()) == 2
    assert not account.output.exists()


def test_a_run_on_its_own_aws_iot_asks_no_iam(tmp_path: Path) -> None:
    """The embedded AWS IoT has no credentials, permissions or clock to be looked at."""
    pytest.importorskip("ministack")
    workplace = Workplace(tmp_path / "output")
    manifest = workplace.manifest("line.txt", "one\n")
    result = workplace.run("run", manifest, *OPTIONS, "--local", "--dry-run")
    assert "disk: " in result.stdout
    assert "file system: " in result.stdout
    assert not any(word in result.stdout for word in ("permissions: ", "credentials: ", "clock: "))
