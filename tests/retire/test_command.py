"""``thingmill retire`` as a process: what it asks, says and refuses, and that kills and signals lose nothing."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pipeline.aws.quotas import DEFAULTS
from tests.e2e.command import snapshot
from tests.retire.rotated import give_old
from tests.support.awsiot import Slow
from tests.support.beginning import Beginning
from tests.support.thorough import sampled
from tests.torture.scene import POLICY, Scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.awsiot import AwsIotDouble

FLEET = [f"device-{number}" for number in range(6)]
SHARED = FLEET[4:]
"""These had one certificate together, the others one each: five old ones in all."""


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, Beginning]]:
    """A run of six devices that had certificates, which are rotated: made once for all tests."""
    with Scene(tmp_path_factory.mktemp("rotated"), FLEET) as running:
        running.aws.run(_prepare)
        ended = running.run(None, "--existing", "rotate")
        assert ended.code == 0, ended.err
        yield running, Beginning(running.output, running.aws)


@pytest.fixture
def scene(rotated: tuple[Scene, Beginning]) -> Scene:
    """The rotated run as it was before the first test."""
    running, beginning = rotated
    running.leave_off()
    beginning.restore()
    return running


def _prepare(double: AwsIotDouble) -> None:
    for names in (*([name] for name in FLEET[:4]), SHARED):
        give_old(double.account, *names, policy=POLICY)


def command(scene: Scene, *arguments: str) -> list[str]:
    quotas = [f"--quota={api}=50000" for api in DEFAULTS]
    words = ("-m", "pipeline", "retire", "fleet", "--output", str(scene.output), "--endpoint-url", scene.aws.url)
    return [sys.executable, *words, *quotas, *arguments]


def retire(scene: Scene, *arguments: str, failpoints: str | None = None) -> tuple[int, str, str]:
    ended = scene.end(scene.start(failpoints, command(scene, *arguments)))
    assert "Traceback" not in ended.err
    return ended.code, ended.out, ended.err


def old_ones(scene: Scene) -> list[str]:
    """Return the common names of old certificates on the account."""
    return scene.aws.run(
        lambda double: [
            found.common_name
            for found in double.account.store.certificates.values()
            if found.common_name.startswith("old-")
        ]
    )


def assert_all_is_retired(scene: Scene) -> None:
    """Each thing has its new certificate alone, which has its policy and is active; there is no other."""
    certificates = scene.aws.run(lambda double: list(double.account.store.certificates.values()))
    assert sorted(found.common_name for found in certificates) == FLEET
    for found in certificates:
        assert (found.status, found.things, found.policies) == ("ACTIVE", [found.common_name], [POLICY])
    _, out, _ = retire(scene, "--all", "--yes", "--json")
    [plan] = map(json.loads, out.splitlines())
    assert (plan["event"], plan["with_old_certificates"], plan["certificates"]) == ("plan", 0, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--yes",), "say who has the new certificate"),
        (("--all", "--seen", "-", "--yes"), "say who has the new certificate"),
        (("--all",), "add --yes to take certificates away, or --dry-run to see which"),
        (("--all", "--device", "stranger", "--yes"), "the run has no device stranger"),
        (("--seen", "missing.txt", "--yes"), "missing.txt cannot be read"),
    ],
)
def test_what_is_not_clear_is_refused(scene: Scene, arguments: tuple[str, ...], message: str) -> None:
    """Without saying who was seen, or with nobody to ask, it ends with 2 and says what to add."""
    before = scene.aws.run(lambda double: len(double.journal.calls))
    code, _, err = retire(scene, *arguments)
    assert (code, message in err) == (2, True), err
    assert scene.aws.run(lambda double: len(double.journal.calls)) == before


def test_a_dry_run_tells_and_changes_nothing(scene: Scene) -> None:
    """With --dry-run the plan is told, no call is made, and not a byte of the run changes."""
    before, calls = snapshot(scene.root), scene.aws.run(lambda double: len(double.journal.calls))
    code, out, err = retire(scene, "--all", "--dry-run")
    assert (code, out) == (0, "")
    assert "6 devices of fleet have old certificates" in err
    assert "5 old certificates of 6 devices would be taken away" in err
    assert snapshot(scene.root) == before
    assert scene.aws.run(lambda double: len(double.journal.calls)) == calls


def test_who_was_seen_is_told_as_json(scene: Scene) -> None:
    """First the plan, a line for each device, a summary; lines that do not count are told on standard error."""
    seen = scene.folder / "seen.txt"
    seen.write_text("device-0\nstranger\n{}\n", encoding="ascii")
    code, out, err = retire(scene, "--seen", str(seen), "--yes", "--json")
    assert code == 0, err
    plan, device, summary = map(json.loads, out.splitlines())
    assert (plan["event"], plan["version"], plan["devices"]) == ("plan", 1, 1)
    assert (device["event"], device["thing_name"], len(device["certificates"])) == ("retired", "device-0", 1)
    assert summary == {
        "event": "summary",
        "certificates": 1,
        "retired": 1,
        "left": 0,
        "failed": 0,
        "with_old_certificates": 5,
    }
    assert "1 of 3 lines count: 1 names no device of this run; 1 tells of no connection" in err
    assert len(old_ones(scene)) == 4


@pytest.mark.parametrize(("answer", "code", "left"), [("n\n", 2, 5), ("y\n", 0, 0)])
def test_a_person_at_a_terminal_is_asked(scene: Scene, answer: str, code: int, left: int) -> None:
    """At a terminal the plan is shown first, and only a yes takes anything away."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            command(scene, "--all"),
            stdin=theirs,
            stderr=theirs,
            stdout=subprocess.PIPE,
            env=scene._environment(None),
            text=True,
        )
        os.close(theirs)
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(ours, 4096)
        assert b"5 old certificates of 6 devices will be taken away" in shown
        os.write(ours, answer.encode())
        process.communicate(timeout=60)
    finally:
        os.close(ours)
    assert process.returncode == code
    assert len(old_ones(scene)) == left


def test_a_device_that_cannot_be_retired_makes_it_end_with_1(scene: Scene) -> None:
    """A device whose new certificate is not active is named, and the exit code says that not all is done."""

    def deactivate(double: AwsIotDouble) -> None:
        [new] = double.account.certificates_by_common_name()["device-2"]
        new.status = "INACTIVE"

    scene.aws.run(deactivate)
    code, out, err = retire(scene, "--all", "--yes")
    assert code == 1, err
    assert "device-2: left: its new certificate is INACTIVE and not ACTIVE" in out.splitlines()
    assert "5 devices retired, 4 certificates taken away; 1 left, 0 failed" in out
    assert old_ones(scene) == ["old-device-2"]


@pytest.mark.parametrize(
    "failpoints",
    sampled(
        [
            *("call.before:9", "call.after:14", "call.after:26", "call.before:33"),
            *("ledger.commit:2", "ledger.committed:3"),
        ],
        lambda place: place in {"call.after:26", "ledger.commit:2", "ledger.committed:3"},
    ),
)
def test_killed_anywhere_it_goes_on_from_there(scene: Scene, failpoints: str) -> None:
    """A process that dies in between leaves nothing that the next one does not finish, and nothing double."""
    code, _, _ = retire(scene, "--all", "--yes", failpoints=failpoints)
    assert code == -signal.SIGKILL
    code, _, err = retire(scene, "--all", "--yes")
    assert code == 0, err
    assert_all_is_retired(scene)


def test_ctrl_c_finishes_what_is_in_flight(scene: Scene) -> None:
    """SIGINT ends it with 130; nothing is half withdrawn, and the same command again does the rest."""
    scene.aws.run(lambda double: double.faults.script("DetachPolicy", Slow(0.5), times=None))
    scene.at(1, lambda: scene.signal(signal.SIGINT), "DetachPolicy")
    code, out, err = retire(scene, "--all", "--yes")
    assert code == 130, err
    assert "retired" in out
    statuses = scene.aws.run(lambda double: {found.status for found in double.account.store.certificates.values()})
    assert statuses == {"ACTIVE"}
    scene.aws.run(lambda double: double.faults.clear())
    assert retire(scene, "--all", "--yes")[0] == 0
    assert_all_is_retired(scene)
