"""Killed anywhere, a run on two accounts goes on: each device has one certificate, on its own account."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.core.mill import POLICY
from tests.foreign.stage import FAST
from tests.project.sources import ROOT
from tests.support.thorough import sampled
from tests.targets.plant import BERLIN, DUBLIN

if TYPE_CHECKING:
    from tests.targets.plant import Plant

ROWS = {BERLIN: [f"b-{number}" for number in range(4)], DUBLIN: [f"d-{number}" for number in range(4)]}
PLACES = ("ledger.commit:1", "certificate.after:2", "ledger.committed:9", "call.after:30", "report.before:2")


@pytest.mark.parametrize("place", sampled(PLACES, lambda place: place == "certificate.after:2"))
def test_killed_it_goes_on_at_both(plant: Plant, place: str) -> None:
    """The same command ends what both runs had begun, and asks for no second certificate."""
    plant.lot(ROWS)
    command = [sys.executable, "-m", "pipeline", "run", "lot.csv", "--key", "ec-p256", "--policy", POLICY, *FAST]
    environment = os.environ | {"THINGMILL_FAILPOINTS": place, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run(command, cwd=plant.home, env=environment, capture_output=True, timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    ended = plant.run()
    assert ended.code == 0, ended.err
    for profile, names in ROWS.items():
        assert plant.certified(profile) == dict.fromkeys(names, 1)
        assert plant.call("verify", f"lot-{profile}").code == 0
    assert plant.summary("lot")["outcomes"]["done"] == 8
