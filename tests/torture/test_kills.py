"""``kill -9`` at a call: whatever was on its way is found again, and nothing is issued twice."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.support.awsiot import Drop, Fail, Hang, ListingLag, Spoil, Wrong
from tests.support.thorough import sampled
from tests.torture.checker import judge
from tests.torture.scene import Scene

if TYPE_CHECKING:
    from pathlib import Path

ISSUE = "CreateCertificateFromCsr"


@pytest.mark.parametrize("seed", sampled(range(6), lambda seed: seed == 0))
def test_kills_at_random_calls_leave_one_certificate_each(tmp_path: Path, seed: int) -> None:
    """A run that is killed at a random call, resumed, and killed again, ends with one certificate each."""
    dice = random.Random(f"kills/{seed}")  # noqa: S311  to be played again
    with Scene(tmp_path, [f"Made{n:02}" for n in range(8)], [f"Own{n:02}" for n in range(4)]) as scene:
        for _ in range(2):
            scene.at(dice.randint(1, 70), scene.signal)
            scene.run()
        assert scene.kills, f"seed {seed} kills nobody"
        scene.finish()
        judge(scene)


@pytest.mark.parametrize("nth", sampled([1, 5, 12], lambda nth: nth == 5))
def test_a_kill_between_the_commit_and_the_answer_is_adopted(scene: Scene, nth: int) -> None:
    """A certificate that was issued when its asker died is found and taken: no device is asked for twice."""
    scene.aws.run(lambda double: double.faults.script(ISSUE, Hang(after=True), nth=nth))
    process = scene.start()
    scene.aws.until(lambda double: any(call.committed and call.fault for call in double.journal.find(ISSUE)))
    scene.signal()
    assert scene.end(process).killed
    scene.finish()
    judge(scene)
    assert scene.aws.run(lambda double: double.journal.count(ISSUE)) == len(scene.names)


def test_kills_at_a_commit_again_and_again_are_each_adopted(scene: Scene) -> None:
    """Three runs in a row that die with answers on their way cost no certificate."""
    for _ in range(3):
        scene.aws.run(lambda double: double.faults.script(ISSUE, Hang(after=True), times=None))
        scene.at(1, scene.signal, ISSUE)  # those that are sent together with it are carried out
        scene.run()
        scene.aws.run(lambda double: double.faults.clear())
    assert scene.kills
    scene.finish()
    judge(scene)
    committed = scene.aws.run(lambda double: sum(call.committed for call in double.journal.find(ISSUE)))
    assert committed == len(scene.names)


@pytest.mark.parametrize(
    ("operation", "nth"),
    sampled(
        [("ListCertificates", 1), ("ListCertificates", 2), ("DescribeCertificate", 1), ("DescribeCertificate", 3)],
        lambda case: case == ("DescribeCertificate", 3),
    ),
)
def test_a_kill_while_it_reconciles_changes_nothing(scene: Scene, operation: str, nth: int) -> None:
    """A resume that is killed while it looks for lost certificates is resumed as if it had not begun."""
    scene.aws.run(lambda double: double.faults.script(ISSUE, Drop(after=True), times=4))
    assert scene.run("reconcile.adopt:1").killed
    if nth > 1 and operation == "ListCertificates":
        scene.aws.run(lambda double: setattr(double.account.store, "lag", ListingLag(calls=1)))
        scene.aws.run(lambda double: double.faults.script(ISSUE, Drop(after=True), times=2))
    scene.at(nth, scene.signal, operation)
    assert scene.run().killed
    scene.finish()
    judge(scene)
    assert scene.aws.run(lambda double: double.journal.count(ISSUE)) == len(scene.names)


def test_a_list_that_lags_behind_is_looked_at_again(scene: Scene) -> None:
    """Certificates that a list shows only later are adopted, however many looks others cause meanwhile."""
    scene.aws.run(lambda double: setattr(double.account.store, "lag", ListingLag(seconds=0.3)))
    scene.aws.run(lambda double: double.faults.script(ISSUE, Drop(after=True), times=None))
    scene.finish()
    judge(scene)
    assert scene.aws.run(lambda double: double.journal.count(ISSUE)) == len(scene.names)


@pytest.mark.parametrize(
    "wrong",
    sampled(
        [Wrong.EXPIRED, Wrong.OTHER_NAME, Wrong.OTHER_ID, Wrong.GARBLED], lambda wrong: wrong is Wrong.GARBLED
    ),
)
def test_a_wrong_certificate_that_a_kill_hides_is_dealt_with(tmp_path: Path, wrong: Wrong) -> None:
    """A certificate that must not be used is taken off the account, also when the run died holding it."""
    with Scene(tmp_path, (), ["Own00"]) as scene:
        scene.aws.run(lambda double: double.faults.script(ISSUE, Spoil(wrong)))
        assert scene.run("certificate.after:1").killed
        scene.finish()
        judge(scene)


@pytest.mark.parametrize(
    "operation",
    sampled(
        ["DescribeCertificate", "UpdateCertificate", "DeleteCertificate"], lambda it: it == "UpdateCertificate"
    ),
)
def test_a_kill_while_a_wrong_certificate_is_removed_leaves_nothing_of_it(tmp_path: Path, operation: str) -> None:
    """The removal of a rejected certificate is taken up where a kill stopped it."""
    with Scene(tmp_path, (), ["Own00"]) as scene:
        scene.aws.run(lambda double: double.faults.script(ISSUE, Spoil(Wrong.OTHER_KEY)))
        scene.at(1, scene.signal, operation)
        assert scene.run().killed
        scene.finish()
        judge(scene)


def test_a_search_that_breaks_off_does_not_delete_what_it_found(scene: Scene) -> None:
    """A certificate that two looks found is one certificate: it is adopted, and stays active."""
    scene.aws.run(lambda double: double.faults.script(ISSUE, Drop(after=True), times=3))
    scene.aws.run(
        lambda double: double.faults.script("DescribeCertificate", Fail("InvalidRequestException", 400), nth=3)
    )
    scene.finish()
    judge(scene)
    assert scene.aws.run(lambda double: double.journal.count("DeleteCertificate")) == 0
