"""The account says no while a run goes on: it stops, holds nothing against a device, and goes on later."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.thorough import sampled
from tests.torture.checker import judge

if TYPE_CHECKING:
    from tests.support.awsiot.records import Policy
    from tests.torture.scene import Scene


def failed(scene: Scene) -> int:
    """Return how many devices the ledger holds as failed."""
    with closing(sqlite3.connect(scene.root / "ledger.db")) as ledger:
        return int(ledger.execute("SELECT count(*) FROM devices WHERE outcome = 'failed'").fetchone()[0])


@pytest.mark.parametrize("after", sampled([12, 40], lambda after: after == 40))
def test_credentials_that_expire_stop_the_run_and_fail_no_device(scene: Scene, after: int) -> None:
    """Expired credentials end a run with 3; with new ones it goes on where it stopped."""
    scene.aws.run(lambda double: double.credentials.expire(after=after))
    ended = scene.run()
    assert ended.code == 3, (ended.code, ended.err)
    assert "ExpiredToken" in ended.err
    assert failed(scene) == 0
    scene.access_key = "AKIDRENEWED"
    scene.finish()
    judge(scene)


@pytest.mark.parametrize(
    "operation",
    sampled(
        ["CreateThing", "CreateCertificateFromCsr", "AttachPolicy"],
        lambda operation: operation == "CreateCertificateFromCsr",
    ),
)
def test_an_operation_that_is_denied_stops_the_run_and_fails_no_device(scene: Scene, operation: str) -> None:
    """A missing permission ends a run with 3 and names the operation; once it is given the run goes on."""
    scene.aws.run(lambda double: double.faults.deny(operation))
    ended = scene.run()
    assert ended.code == 3, (ended.code, ended.err)
    assert f"{operation} was refused" in ended.err
    assert failed(scene) == 0
    scene.aws.run(lambda double: double.faults.clear())
    scene.finish()
    judge(scene)


def test_a_policy_that_is_deleted_meanwhile_stops_the_run_and_fails_no_device(scene: Scene) -> None:
    """A run whose policy is gone ends with 3 and names it; once it is there again, each device gets it."""
    policies = scene.double.account.policies
    deleted: dict[str, Policy] = {}
    scene.at(1, lambda: deleted.update(fleet=policies.pop("fleet")), "AttachPolicy")
    for ended in (scene.run(), scene.run()):
        assert ended.code == 3, (ended.code, ended.err)
        assert "policy fleet" in ended.err
        assert failed(scene) == 0
    scene.aws.run(lambda _: policies.update(deleted))
    scene.finish()
    judge(scene)
