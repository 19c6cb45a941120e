"""A revoke that is killed at any place, and run again, ends as one that was not."""

from __future__ import annotations

import random
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from pipeline.aws.quotas import DEFAULTS
from pipeline.status import look
from tests.revoke.accounts import listed
from tests.support.awsiot import Drop, Slow
from tests.support.beginning import Beginning
from tests.support.thorough import sampled
from tests.torture.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.torture.scene import Ended

FLEET = [f"Own{number:02}" for number in range(6)]
CALLS = 5 * len(FLEET)
"""Calls that change something in a whole revoke: four about each certificate, one about its thing."""
_CHANGES = frozenset(
    {"DetachPolicy", "DetachThingPrincipal", "UpdateCertificate", "DeleteCertificate", "DeleteThing"}
)


def revoke(scene: Scene, *arguments: str, failpoints: str | None = None) -> Ended:
    """Run ``thingmill revoke`` on a scene's run to its end, whatever that is."""
    return scene.end(scene.start(failpoints, command(scene, *arguments)))


def command(scene: Scene, *arguments: str) -> list[str]:
    quotas = [f"--quota={api}=50000" for api in DEFAULTS]
    fixed = ["revoke", str(scene.root), "--endpoint-url", scene.aws.url, "--things", "--purge", "--yes"]
    return [sys.executable, "-W", "error", "-m", "pipeline", *fixed, *quotas, *arguments]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, dict[str, object], Beginning]]:
    """A run that is done, made once for all tests, and the account as it was before it."""
    with Scene(tmp_path_factory.mktemp("done"), (), FLEET) as scene:
        before = scene.aws.run(listed)
        assert scene.run().code == 0
        yield scene, before, Beginning(scene.output, scene.aws)


@pytest.fixture
def run(done: tuple[Scene, dict[str, object], Beginning]) -> tuple[Scene, dict[str, object]]:
    """The run as it was before the first test, and the account as it was before the run."""
    scene, before, beginning = done
    scene.leave_off()
    beginning.restore()
    return scene, before


def judge(scene: Scene, before: dict[str, object]) -> None:
    """See that nothing is left, that one more revoke changes nothing, and that the run is not gone on with."""
    assert scene.aws.run(listed) == before
    assert not list((scene.root / "devices").iterdir())
    assert not list((scene.root / "staging").iterdir())
    changes = scene.aws.run(lambda double: double.journal.mutating_calls)
    again = revoke(scene)
    assert again.code == 0, again.err
    assert "nothing is left to take back" in again.out
    refused = scene.run()
    assert refused.code == 4, refused.err
    assert "was revoked" in refused.err
    assert scene.aws.run(lambda double: double.journal.mutating_calls) == changes


@pytest.mark.parametrize(
    ("name", "nth"),
    sampled(
        [
            *(("call.before", nth) for nth in (1, 4, 12, 30, 50)),
            *(("call.after", nth) for nth in (3, 20, 45, 59)),
            *(("ledger.commit", nth) for nth in (1, 2, 3)),
            *(("ledger.committed", nth) for nth in (1, 2, 3)),
            ("file.synced", 1),
        ],
        lambda case: case in {("call.after", 45), ("ledger.commit", 2), ("ledger.committed", 2)},
    ),
)
def test_killed_at_any_place_and_run_again(run: tuple[Scene, dict[str, object]], name: str, nth: int) -> None:
    """A revoke that dies at this hit ends, when it is run again, as if it had not died."""
    scene, before = run
    assert revoke(scene, failpoints=f"{name}:{nth}").killed
    ended = revoke(scene)
    assert ended.code == 0, ended.err
    judge(scene, before)


@pytest.mark.parametrize("seed", sampled(range(3), lambda seed: seed == 0))
def test_killed_at_random_calls_again_and_again(run: tuple[Scene, dict[str, object]], seed: int) -> None:
    """Killed three times at random calls, it still leaves the account as it was before the run."""
    scene, before = run
    dice = random.Random(f"revoke/{seed}")  # noqa: S311  to be played again
    for _ in range(3):
        scene.at(dice.randint(2, 40), scene.signal)
        revoke(scene)
    assert scene.kills, f"seed {seed} kills nobody"
    ended = revoke(scene)
    assert ended.code == 0, ended.err
    judge(scene, before)


@pytest.mark.parametrize(
    "operation",
    sampled(
        ["DescribeCertificate", "DetachPolicy", "DeleteCertificate", "DeleteThing"],
        lambda operation: operation == "DescribeCertificate",
    ),
)
def test_a_run_whose_revoke_was_killed_is_refused(run: tuple[Scene, dict[str, object]], operation: str) -> None:
    """Though no device may be marked yet, the run is refused, and status says that a revoke was begun."""
    scene, before = run
    scene.at(1, scene.signal, operation)
    assert revoke(scene).killed
    changes = scene.aws.run(lambda double: double.journal.mutating_calls)
    refused = scene.run()
    assert refused.code == 4, refused.err
    assert "is being revoked: 6 of 6 devices left to take back" in refused.err
    status = look(scene.root)
    assert (status.phase, status.begun.left) == ("stopped", 6)
    assert scene.aws.run(lambda double: double.journal.mutating_calls) == changes
    assert revoke(scene).code == 0
    judge(scene, before)


def test_a_killed_run_is_taken_back(tmp_path: Path) -> None:
    """A run that was killed with certificates on their way leaves nothing when it is revoked."""
    with Scene(tmp_path, (), FLEET) as scene:
        before = scene.aws.run(listed)
        scene.aws.run(lambda double: double.faults.script("CreateCertificateFromCsr", Drop(after=True), times=3))
        assert scene.run("certificate.after:2").killed
        scene.aws.run(lambda double: double.faults.clear())
        assert scene.certificates()
        ended = revoke(scene)
        assert ended.code == 0, ended.err
        judge(scene, before)


def test_answers_that_are_lost_cost_nothing(run: tuple[Scene, dict[str, object]]) -> None:
    """Calls that were carried out though their answers were lost are made again, and none fails for it."""
    scene, before = run
    faults = scene.aws.run(lambda double: double.faults)
    for operation in sorted(_CHANGES):
        faults.script(operation, Drop(after=True), times=2)  # nothing is under way at the double
    ended = revoke(scene)
    assert ended.code == 0, ended.err
    judge(scene, before)


def test_nothing_is_changed_twice_without_need(run: tuple[Scene, dict[str, object]]) -> None:
    """A revoke that nothing goes wrong with makes each call that changes something once a device."""
    scene, before = run
    scene.aws.run(lambda double: double.journal.calls.clear())
    assert revoke(scene).code == 0
    made = scene.aws.run(lambda double: Counter(call.operation for call in double.journal.calls if call.mutating))
    assert made == dict.fromkeys(_CHANGES, len(FLEET))
    assert made.total() == CALLS
    judge(scene, before)


@pytest.mark.parametrize(
    "number", sampled([signal.SIGINT, signal.SIGTERM], lambda number: number == signal.SIGTERM)
)
def test_a_signal_lets_what_is_in_flight_be_finished(
    run: tuple[Scene, dict[str, object]], number: signal.Signals
) -> None:
    """Certificates on their way out are deleted before it ends with 130, and it goes on later."""
    scene, before = run
    scene.aws.run(lambda double: double.faults.script("DetachPolicy", Slow(0.3), times=None))
    scene.at(1, lambda: scene.signal(number), "DetachPolicy")
    ended = revoke(scene)
    assert ended.code == 130, ended.err
    assert "Traceback" not in ended.err
    assert ended.err.count("stopping: finishing what is in flight") == 1
    half = scene.aws.run(
        lambda double: [one for one in double.account.store.certificates.values() if not one.policies]
    )
    assert half == [], "a certificate was left half withdrawn"
    scene.aws.run(lambda double: double.faults.clear())
    assert revoke(scene).code == 0
    judge(scene, before)
