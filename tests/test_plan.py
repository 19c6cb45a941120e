"""What a plan says of a run before it is begun."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.aws import quotas
from pipeline.cores import CALL_SECONDS, DEVICE_SECONDS, FILES_SECONDS, SINGLY_SECONDS, Keys
from pipeline.manifest import Totals
from pipeline.part import Part
from pipeline.plan import COORDINATION, KEYS, RATE, Plan, as_time
from pipeline.settings import KeyType, usable_cores
from tests.foreign.stage import Desk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

AMPLE = dict.fromkeys(quotas.DEFAULTS, 50_000.0)
BESIDES_RSA = 4 * CALL_SECONDS + DEVICE_SECONDS + FILES_SECONDS + SINGLY_SECONDS
"""Seconds of a core that a device takes besides its RSA key."""


def plan(
    totals: Totals,
    key_seconds: float = 1e-4,
    rate: float | None = None,
    *,
    key_type: KeyType = KeyType.EC_P256,
    workers: int = 2,
    cores: int = 2,
    limits: Mapping[str, float] = MappingProxyType({}),
) -> Plan:
    grants = quotas.granted("eu-west-1", limits)
    keys = Keys({key_type: totals.keys_to_make}, {key_type: key_seconds})
    return Plan.of_several({"": (totals, grants)}, keys, workers, rate, cores=cores)


def promised(told: str) -> float:
    units = {"h": 3600, "min": 60, "s": 1}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+) (h|min|s)", told))


def stage(whole: Plan, name: str) -> float:
    return next(each.seconds for each in whole.stages if each.name == name)


def test_ten_thousand_devices_take_as_long_as_the_scarcest_quota_says() -> None:
    """At 15 calls a second, 10,000 certificates take 667 seconds, and nothing else counts."""
    whole = plan(Totals(10_000, 0, 10_000, 0))
    assert whole.seconds == pytest.approx(667, abs=1)
    assert {whole.stages[0].name, whole.stages[1].name} == {"CreateCertificateFromCsr", "AttachPolicy"}
    assert "raise both quotas to 100/s" in whole.advice()[0]


def test_slow_keys_decide_where_they_are_slower_than_every_quota() -> None:
    """RSA-4096 on two cores is slower than the quota, and the plan says how many cores would not be."""
    whole = plan(Totals(1000, 0, 0, 0), key_seconds=0.5, key_type=KeyType.RSA_4096)
    assert whole.stages[0].name == KEYS
    assert whole.seconds == pytest.approx(250 + 1000 * BESIDES_RSA / 2)
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


def test_keys_share_the_cores_with_the_rest_of_a_device() -> None:
    """A core that takes 50 ms for a key has the calls, the ledger and the files of that device to do as well."""
    whole = plan(Totals(1000, 0, 0, 0), key_seconds=0.05, key_type=KeyType.RSA_2048, limits=AMPLE)
    assert stage(whole, KEYS) == pytest.approx(1000 * (0.05 + BESIDES_RSA) / 2)


def test_keys_of_several_types_each_cost_what_they_cost() -> None:
    """A manifest with slow and fast keys takes as long as its slow ones, and about nothing more for the fast."""
    counts = {KeyType.RSA_4096: 100, KeyType.EC_P256: 900}
    keys = Keys(counts, {KeyType.RSA_4096: 0.5, KeyType.EC_P256: 1e-4})
    asked = {"": (Totals(1000, 0, 0, 0), quotas.granted("eu-west-1", AMPLE))}
    whole = Plan.of_several(asked, keys, 2, cores=2)
    besides = 4 * CALL_SECONDS + DEVICE_SECONDS + FILES_SECONDS
    assert stage(whole, KEYS) == pytest.approx((100 * (0.5 + SINGLY_SECONDS) + 900 * 1e-4 + 1000 * besides) / 2)
    assert keys.named == "rsa-4096 and ec-p256"


def test_too_few_workers_leave_cores_without_keys_to_make() -> None:
    """One worker on eight cores makes keys as one core does, and the plan says what all of them would do."""
    whole = plan(
        Totals(1000, 0, 0, 0), key_seconds=0.5, key_type=KeyType.RSA_4096, workers=1, cores=8, limits=AMPLE
    )
    assert whole.seconds == pytest.approx(500)
    advised = plan(
        Totals(1000, 0, 0, 0), key_seconds=0.5, key_type=KeyType.RSA_4096, workers=8, cores=8, limits=AMPLE
    )
    assert f"--workers 8 takes {as_time(advised.seconds)}" in whole.advice()
    assert not any("cores instead" in line for line in whole.advice())


def test_one_process_makes_all_calls_and_decides_where_nothing_else_does() -> None:
    """With ample quotas and many cores a run is as fast as its coordinator, and two runs are twice that."""
    totals = Totals(10_000, 0, 10_000, 0)
    whole = plan(totals, workers=64, cores=64, limits=AMPLE)
    assert whole.stages[0].name == COORDINATION
    assert whole.stages[0].source == "typical core"
    assert whole.seconds == pytest.approx(10_000 * (5 * CALL_SECONDS + DEVICE_SECONDS))
    first, second = whole.advice()
    assert "one run cannot go faster" in first
    assert "two manifests in two runs" in second
    assert second.endswith(as_time(whole.seconds / 2))


def test_two_runs_are_not_advised_where_they_would_share_one_core() -> None:
    """Devices with CSRs of their own leave nothing to make, and one core is no faster for two runs."""
    whole = plan(Totals(1000, 1000, 0, 0), workers=1, cores=1, limits=AMPLE)
    assert whole.stages[0].name == COORDINATION
    assert not any("two runs" in line for line in whole.advice())


@given(
    devices=st.integers(1, 10**7),
    policies=st.floats(0, 1),
    groups=st.integers(0, 10),
    key_seconds=st.floats(1e-5, 3),
    key_type=st.sampled_from(KeyType),
    workers=st.integers(1, 64),
    cores=st.integers(1, 64),
    grant=st.floats(0.1, 10_000),
    others=st.sampled_from(({}, AMPLE)),
)
def test_following_the_advice_is_never_slower(
    devices: int,
    policies: float,
    groups: int,
    key_seconds: float,
    key_type: KeyType,
    workers: int,
    cores: int,
    grant: float,
    others: dict[str, float],
) -> None:
    """Each plan has advice, and who follows it and plans again is told the time that was promised, and no more."""
    totals = Totals(devices, 0, int(devices * policies), devices * groups)
    given = others | {"CreateCertificateFromCsr": grant}
    whole = plan(totals, key_seconds, key_type=key_type, workers=workers, cores=cores, limits=given)
    seconds = [each.seconds for each in whole.stages]
    assert seconds == sorted(seconds, reverse=True)
    assert whole.seconds == seconds[0]
    advice = whole.advice()
    workers_then, cores_then, quotas_then = workers, cores, given
    if found := re.search(r"raise .* to (\S+)/s, then it takes (.*)", advice[0]):
        scarce = [each.name for each in whole.stages if re.search(rf"\b{each.name}\b", advice[0])]
        quotas_then = given | dict.fromkeys(scarce, float(found[1].replace(",", "")))
    elif found := re.match(r"(\d+) cores instead of \d+ take (.*)", advice[-1]):
        workers_then, cores_then = max(workers, int(found[1])), int(found[1])
    elif found := re.match(r"--workers (\d+) takes (.*)", advice[-1]):
        workers_then = int(found[1])
    else:
        assert whole.stages[0].name == COORDINATION
        assert "one run cannot go faster" in advice[0]
        return
    after = plan(
        totals, key_seconds, key_type=key_type, workers=workers_then, cores=cores_then, limits=quotas_then
    )
    assert after.seconds <= whole.seconds * (1 + 1e-6)
    # What is shown is rounded: 10.5 s to 10 s at the most.
    assert after.seconds <= promised(found[2]) * 1.05 + 0.05


@given(
    half=st.integers(1, 10**6),
    with_csr=st.floats(0, 1),
    groups=st.integers(0, 10),
    half_the_cores=st.integers(2, 32),
    grant=st.floats(1000, 10_000),
)
def test_two_runs_that_share_everything_are_as_fast_as_the_plan_says(
    half: int, with_csr: float, groups: int, half_the_cores: int, grant: float
) -> None:
    """Where coordination decides, half of the devices with half of each quota and core take the time promised."""
    csrs = int(half * with_csr)

    def runs(parts: int) -> Plan:
        totals = Totals(parts * half, parts * csrs, 0, parts * half * groups)
        share = parts * half_the_cores
        return plan(totals, workers=share, cores=share, limits=dict.fromkeys(AMPLE, parts * grant))

    whole, each = runs(2), runs(1)
    assert whole.stages[0].name == COORDINATION
    seconds = max(each.seconds, each.work.everything)
    assert seconds < whole.seconds
    assert whole.advice()[-1].endswith(f"take {as_time(seconds)}")


def test_a_plan_is_for_the_cores_that_the_process_may_use() -> None:
    """A process that is bound to some cores does not plan with the others."""
    if sys.platform == "linux":
        assert usable_cores() == len(os.sched_getaffinity(0))
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


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


def test_a_part_without_a_device_takes_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of few devices a part may have none: its plan says so, and as JSON has 0 seconds and no stage."""
    desk = Desk(tmp_path, monkeypatch)
    desk.write("one.txt", "pump\n")
    empty = "1/2" if Part(2, 2).holds("pump") else "2/2"
    words = ("plan", "one.txt", "--part", empty, "--offline", "--rate", "5")
    ended = desk.call(*words)
    assert (ended.code, ended.out) == (0, "no device of the manifest is of this part: it takes no time\n"), (
        ended.err
    )
    told = json.loads(desk.call(*words, "--json").out)
    assert (told["devices"], told["seconds"], told["stages"]) == (0, 0.0, [])
