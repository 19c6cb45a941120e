"""An account at its worst: throttles, lost answers, errors before and after the commit, wrong certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.awsiot import Faults, ListingLag, Spoil, Wrong
from tests.support.thorough import sampled
from tests.torture.checker import judge
from tests.torture.scene import Scene

if TYPE_CHECKING:
    from pathlib import Path

ISSUE = "CreateCertificateFromCsr"


@pytest.mark.parametrize("devices", sampled([60, 120, 500], lambda devices: devices == 60))
def test_devices_come_through_the_worst_of_accounts(tmp_path: Path, devices: int) -> None:
    """With a fifth of all calls throttled and a tenth failing, one run or two end with one certificate each."""
    faults = Faults(seed=8, throttle=0.2, lost=0.05, error_500=0.025, error_500_after=0.025, wrong=0.02)
    with Scene(tmp_path, [f"Made{number:03}" for number in range(devices)], faults=faults) as scene:
        scene.aws.run(lambda double: setattr(double.account.store, "lag", ListingLag(calls=1)))
        scene.finish(most=2)
        judge(scene)


@pytest.mark.parametrize(("devices", "kills"), sampled([(8, 1), (24, 1), (24, 3)], lambda case: case == (8, 1)))
def test_kills_among_faults_leave_one_certificate_each(tmp_path: Path, devices: int, kills: int) -> None:
    """Faults and kills together do no more harm than each alone."""
    # Under this seed no list is throttled twice in a row: pauses of up to 20 seconds would prove nothing more.
    faults = Faults(seed=57, throttle=0.2, drop=0.05, lost={ISSUE: 0.3, "AttachPolicy": 0.1}, error_500_after=0.05)
    with Scene(tmp_path, [f"Made{number:02}" for number in range(devices)], faults=faults) as scene:
        for nth in (devices * 5 // 2, devices * 15 // 4, devices * 5)[:kills]:
            scene.at(nth, scene.signal)
            assert scene.run().killed
        scene.finish()
        judge(scene)


@pytest.mark.parametrize("wrong", sampled(Wrong, lambda wrong: wrong in {Wrong.OTHER_KEY, Wrong.GARBLED}))
def test_a_wrong_certificate_is_removed_and_another_is_asked_for(tmp_path: Path, wrong: Wrong) -> None:
    """A device whose certificate is wrong fails, nothing is left of it, and the next run gives it a right one."""
    faults = Faults()
    faults.script(ISSUE, Spoil(wrong))
    with Scene(tmp_path, (), ["Own00", "Own01"], faults=faults) as scene:
        assert scene.run().code == 1
        assert scene.certificates() == 1
        scene.finish()
        judge(scene)
