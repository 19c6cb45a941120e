"""``thingmill reconcile``: what a run does by itself when it is resumed, done alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.awsiot import Hang
from tests.support.awsiot.journal import PENDING
from tests.torture.checker import judge

if TYPE_CHECKING:
    from tests.torture.scene import Scene

ISSUE = "CreateCertificateFromCsr"
LOST = 3


def lose(scene: Scene) -> None:
    """Kill a run when three certificates are issued whose answers never came, and one more is asked for."""
    scene.aws.run(lambda double: double.faults.script(ISSUE, Hang(after=True), times=None))
    scene.at(LOST + 1, scene.signal, ISSUE)
    ended = scene.run()
    assert ended.killed
    assert ended.err == ""
    scene.aws.until(lambda double: all(call.outcome != PENDING for call in double.journal.calls))
    scene.aws.run(lambda double: double.faults.clear())


def test_a_dry_run_tells_and_changes_nothing(scene: Scene) -> None:
    """With --dry-run each lost certificate is named, and neither account nor ledger changes."""
    lose(scene)
    issued, changes = scene.certificates(), scene.aws.run(lambda double: double.journal.mutating_calls)
    first, second = scene.reconcile("--dry-run"), scene.reconcile("--dry-run")
    assert first.code == second.code == 0, first.err
    assert first.out.count("would adopt") == issued
    assert first.out.splitlines()[-1] == second.out.splitlines()[-1]
    assert scene.aws.run(lambda double: double.journal.mutating_calls) == changes
    scene.finish()
    judge(scene)


def test_reconcile_adopts_what_was_lost_and_the_run_goes_on(scene: Scene) -> None:
    """Lost certificates are adopted without any other step being taken, and nothing is in doubt any more."""
    lose(scene)
    issued, changes = scene.certificates(), scene.aws.run(lambda double: double.journal.mutating_calls)
    ended = scene.reconcile()
    assert ended.code == 0, ended.err
    assert ended.out.count("adopted ") == issued
    assert scene.aws.run(lambda double: double.journal.mutating_calls) == changes
    again = scene.reconcile()
    assert again.out.splitlines()[-1] == "0 in doubt, 0 adopted"
    looks = scene.aws.run(lambda double: double.journal.count("ListCertificates"))
    scene.finish()
    assert scene.aws.run(lambda double: double.journal.count("ListCertificates")) == looks
    judge(scene)
