"""What a plan says of a run before it is begun."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.aws import quotas
from pipeline.manifest import Totals
from pipeline.plan import KEYS, RATE, Plan
from pipeline.settings import KeyType

if TYPE_CHECKING:
    from pathlib import Path

GRANTS = quotas.granted("eu-west-1", {})


def plan(totals: Totals, key_seconds: float = 1e-4, rate: float | None = None, **overrides: float) -> Plan:
    return Plan.of(totals, GRANTS | quotas.granted("x", overrides), KeyType.RSA_4096, 2, key_seconds, rate)


def test_ten_thousand_devices_take_as_long_as_the_scarcest_quota_says() -> None:
    """At 15 calls a second, 10,000 certificates take 667 seconds, and nothing else counts."""
    whole = plan(Totals(10_000, 0, 10_000, 0))
    assert whole.seconds == pytest.approx(667, abs=1)
    assert {whole.stages[0].name, whole.stages[1].name} == {"CreateCertificateFromCsr", "AttachPolicy"}
    assert "raise both quotas to 100/s" in whole.advice()[0]


def test_slow_keys_decide_where_they_are_slower_than_every_quota() -> None:
    """RSA-4096 on two cores is slower than the quota, and the plan says how many cores would not be."""
    whole = plan(Totals(1000, 0, 0, 0), key_seconds=0.5)
    assert whole.stages[0].name == KEYS
    assert whole.seconds == pytest.approx(250)
    assert any("ec-p256" in line for line in whole.advice())
    assert any("cores instead of 2" in line for line in whole.advice())


def test_a_rate_that_is_asked_for_decides_when_it_is_the_lowest() -> None:
    """--rate is a stage like any other."""
    whole = plan(Totals(100, 0, 100, 0), rate=1.0)
    assert whole.stages[0].name == RATE
    assert whole.seconds == pytest.approx(100)
    assert "without --rate" in whole.advice()[0]


def test_what_is_not_asked_for_costs_nothing() -> None:
    """Without policies, groups or keys of ours, none of these is a stage."""
    names = {stage.name for stage in plan(Totals(10, 10, 0, 0)).stages}
    assert not names & {"AttachPolicy", "AddThingToThingGroup", KEYS}


@given(
    devices=st.integers(1, 10**7),
    policies=st.floats(0, 1),
    groups=st.integers(0, 10),
    key_seconds=st.floats(1e-5, 3),
    grant=st.floats(0.1, 10_000),
)
def test_following_the_advice_is_never_slower(
    devices: int, policies: float, groups: int, key_seconds: float, grant: float
) -> None:
    """Without the stage that decides, a run takes no longer; and each plan has something to say."""
    totals = Totals(devices, 0, int(devices * policies), devices * groups)
    whole = plan(totals, key_seconds, CreateCertificateFromCsr=grant)
    seconds = [stage.seconds for stage in whole.stages]
    assert seconds == sorted(seconds, reverse=True)
    assert whole.seconds == seconds[0]
    if whole.stages[0].name != KEYS:
        assert whole.advice()


def test_the_command_prints_the_same_plan_for_people_and_programs(tmp_path: Path) -> None:
    """--json carries the counts that the table shows; --offline asks no account and needs no Region."""
    manifest = tmp_path / "line.csv"
    manifest.write_text("thing_name,groups\na,x;y\nb,\n")
    command = [sys.executable, "-m", "pipeline", "plan", str(manifest), "--offline", "--key", "ec-p256"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True, check=True).stdout)
    assert found["devices"] == 2
    counts = {stage["name"]: stage["count"] for stage in found["stages"]}
    assert counts["AddThingToThingGroup"] == 2
    assert counts["CreateCertificateFromCsr"] == 2
    assert "AttachPolicy" not in counts
    for name in counts:
        assert name in shown
    assert "decides" in shown
