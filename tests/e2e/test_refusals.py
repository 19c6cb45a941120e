"""What the command line refuses: with which exit code, in which words, and that nothing was done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.command import DEVICE_POLICY, KEYS, MANIFESTS, Workplace
from tests.support.thorough import sampled

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.awsiot import DoubleThread

EC = ("--key", "ec-p256")
FAULTY = str(MANIFESTS / "faulty.csv")


def assert_untouched(workplace: Workplace, double: DoubleThread) -> None:
    """Nothing was asked of the account, and no folder and no key was made."""
    assert double.run(lambda d: d.journal.mutating_calls) == 0
    assert not workplace.output.exists()


def test_check_names_every_fault_with_its_place(workplace: Workplace) -> None:
    """Each fault stands on a line of its own as FILE:LINE:COLUMN: reason, and their number on stderr."""
    result = workplace.run("check", FAULTY, expect=2)
    lines = result.stdout.splitlines()
    assert all(line.startswith(f"{FAULTY}:") for line in lines)
    places = [tuple(int(part) for part in line.removeprefix(f"{FAULTY}:").split(":")[:2]) for line in lines]
    assert places == sorted(places)
    assert {line for line, _ in places} >= {3, 4, 5, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20}
    assert f"the manifest has {len(lines)} faults" in result.stderr


def test_check_tells_programs_the_same(workplace: Workplace) -> None:
    """With --json each fault is an object with file, line, column and reason, and the last one counts them."""
    plain = workplace.run("check", FAULTY, expect=2).stdout.splitlines()
    printed = workplace.run("check", FAULTY, "--json", expect=2).stdout.splitlines()
    *events, summary = map(json.loads, printed)
    assert summary["faults"] == len(events)
    assert ["{file}:{line}:{column}: {reason}".format(**event) for event in events] == plain


def test_check_tells_what_a_good_manifest_needs(workplace: Workplace) -> None:
    """Without a fault it counts the things, and names the types and groups that they use."""
    demo = str(MANIFESTS / "demo.csv")
    assert "25 things, no fault" in workplace.run("check", demo).stdout
    found = json.loads(workplace.run("check", demo, "--json").stdout)
    assert found["things"] == 25
    assert found["thing_types"] == ["DoorSensor", "LineGateway", "TemperatureSensor"]
    assert found["thing_groups"] == ["hall-a", "hall-b", "pilot"]
    assert not workplace.output.exists()


def test_a_faulty_manifest_submits_nothing(account: Workplace, double: DoubleThread) -> None:
    """Run ends with 2 and the faults; no call was made, no key, no run folder."""
    result = account.run("run", FAULTY, *EC, expect=2)
    assert f"{FAULTY}:3:1: " in result.stderr
    assert "nothing was submitted and no key was made" in result.stderr
    assert double.run(lambda d: d.journal.calls) == []
    assert_untouched(account, double)


@pytest.mark.parametrize(
    ("options", "reason"),
    sampled(
        [
            (("--quota", "CreateCertificate=5"), "no such operation"),
            (("--quota", "AttachPolicy=fast"), "calls per second"),
            (("--quota", "AttachPolicy=0"), "calls per second"),
            (("--local", "--endpoint-url", "http://localhost:1"), "exclude each other"),
            (
                ("--region", "eu-west-1", "--endpoint-url", "http://me:confided@127.0.0.1:1"),
                "has a user or a password",
            ),
            (("--workers", "none"), "--workers"),
            (("--name", "../elsewhere"), "cannot name a run"),
            (("--policy", "nowhere.json"), "cannot be read"),
            (("--key", "dsa-1024"), "dsa-1024"),
            (("--rate", "0"), "--rate"),
            (("--existing", "replace"), "replace"),
        ],
        # The other numbers and words that cannot be are refused in the same places.
        lambda case: case[0][1] not in {"AttachPolicy=0", "none", "replace"},
    ),
    ids=" ".join,
)
def test_options_that_cannot_be_end_with_2(
    account: Workplace, double: DoubleThread, options: tuple[str, ...], reason: str
) -> None:
    """A wrong option is told in a sentence before anything is done."""
    manifest = account.manifest("things.txt", "one\n")
    result = account.run("run", manifest, *options, expect=2)
    assert reason in result.stderr
    assert "Traceback" not in result.stderr
    assert "confided" not in result.stdout + result.stderr
    assert_untouched(account, double)


@pytest.mark.parametrize("command", ["verify", "reconcile"])
def test_an_unknown_run_ends_with_2(workplace: Workplace, command: str) -> None:
    """A run that is not there is named, with where it was looked for."""
    result = workplace.run(command, "nowhere", expect=2)
    assert "there is no run nowhere" in result.stderr


def test_a_manifest_that_is_not_there_ends_with_2(workplace: Workplace) -> None:
    """It is named, and nothing is made for it."""
    assert "nowhere.csv" in workplace.run("run", "nowhere.csv", "--local", expect=2).stderr
    assert not workplace.output.exists()


def test_no_credentials_end_with_3_and_advice(workplace: Workplace, double: DoubleThread) -> None:
    """Where the AWS chain finds nothing, the way to give it something is told."""
    manifest = workplace.manifest("things.txt", "one\n")
    options = ("--region", "eu-west-1", "--endpoint-url", double.url)
    result = workplace.run("run", manifest, *EC, *options, expect=3)
    assert "--profile" in result.stderr
    assert "aws configure" in result.stderr
    assert_untouched(workplace, double)


def test_an_unknown_profile_ends_with_3(workplace: Workplace) -> None:
    """A profile that is not in the AWS configuration is named."""
    manifest = workplace.manifest("things.txt", "one\n")
    result = workplace.run("run", manifest, *EC, "--profile", "factory", "--region", "eu-west-1", expect=3)
    assert "no AWS profile factory" in result.stderr


def test_no_region_ends_with_2(tmp_path: Path) -> None:
    """Without a Region there is no account to ask; how to name one is told."""
    environment = {name: value for name, value in KEYS.items() if name != "AWS_DEFAULT_REGION"}
    workplace = Workplace(tmp_path / "output", environment)
    result = workplace.run("run", workplace.manifest("things.txt", "one\n"), *EC, expect=2)
    assert "--region" in result.stderr


def test_a_missing_policy_ends_with_3(account: Workplace, double: DoubleThread) -> None:
    """A policy that the account lacks is named with where it was asked for, before the first device."""
    manifest = account.manifest("things.csv", "name,policy\none,\ntwo,strict\n")
    result = account.run("run", manifest, *EC, "--policy", "lost", expect=3)
    assert "the command line: there is no policy lost" in result.stderr
    assert f"{manifest}:3:5: there is no policy strict" in result.stderr
    assert "--policy FILE.json" in result.stderr
    assert_untouched(account, double)


def test_another_manifest_ends_with_4(account: Workplace) -> None:
    """A run folder that belongs to other devices is left alone, and one of them is named."""
    options = (*EC, "--policy", DEVICE_POLICY)
    account.run("run", account.manifest("line-7.txt", "one\ntwo\n"), *options)
    result = account.run("run", account.manifest("line-8.txt", "three\n"), *options, "--name", "line-7", expect=4)
    assert "belongs to another manifest: it holds one" in result.stderr
    assert account.summary("line-7")["outcomes"]["done"] == 2


def test_other_keys_end_with_4(account: Workplace) -> None:
    """A run that began with keys of one kind does not go on with another."""
    manifest = account.manifest("line-7.txt", "one\n")
    account.run("run", manifest, *EC)
    result = account.run("run", manifest, "--key", "ec-p384", expect=4)
    assert "key type was ec-p256 and is now ec-p384" in result.stderr


def test_a_private_key_is_never_in_what_is_said(account: Workplace, double: DoubleThread) -> None:
    """Not even when the disk holds a key that does not belong there."""
    double.run(lambda d: d.faults.deny("CreateCertificateFromCsr"))
    manifest = account.manifest("things.txt", "one\n")
    account.run("run", manifest, *EC, expect=3)
    key = account.output / "things" / "staging" / "one" / "one.key"
    secret = key.read_text(encoding="ascii").splitlines()[1]
    double.run(lambda d: d.faults.clear())
    key.chmod(0o600)
    key.write_text(
        "-----BEGIN PRIVATE KEY-----\n" + secret[::-1] + "\n-----END PRIVATE KEY-----\n", encoding="ascii"
    )
    result = account.run("run", manifest, *EC, "--json", expect=1)
    assert "StrangeKey" in result.stdout
    assert secret not in result.stdout + result.stderr
    assert secret[::-1] not in result.stdout + result.stderr
