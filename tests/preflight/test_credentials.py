"""Credentials that end: refused when they have, told when they will before the run is over."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pipeline.aws.failures import CallError, Failure
from pipeline.errors import RefusedError
from pipeline.part import Part
from tests.core.mill import FAST, registry_of
from tests.preflight.findings import assert_untouched, found, told

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.mill import Mill

pytestmark = pytest.mark.anyio

SLOW = 1 / 600
"""Devices a second: the second one comes ten minutes after the first."""


def lend(monkeypatch: pytest.MonkeyPatch, **how_long: float) -> datetime:
    """Put credentials into the environment that end so long from now, and return when that is."""
    end = datetime.now(UTC) + timedelta(**how_long)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", end.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return end


async def test_credentials_that_have_ended_are_refused_before_any_call(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends with 3, says when they ended and what to do, and has asked AWS nothing."""
    end = lend(monkeypatch, hours=-1)
    with pytest.raises(RefusedError, match=f"ended at {end:%Y-%m-%d %H:%M} UTC") as caught:
        await mill.run()
    assert caught.value.exit_code == 3
    assert "--profile" in caught.value.advice
    assert mill.double.journal.calls == []
    assert_untouched(mill)


async def test_a_dry_run_refuses_them_too(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever only looks is told the same."""
    lend(monkeypatch, seconds=-1)
    with pytest.raises(RefusedError, match="AWS_CREDENTIAL_EXPIRATION"):
        await found(mill)


async def test_credentials_that_end_before_the_run_is_over_are_told(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both times are named, and that new ones go on from there."""
    end = lend(monkeypatch, minutes=30)
    finding = (await found(mill, "".join(f"t{n}\n" for n in range(10)), rate=SLOW))["credentials"]
    assert finding.worrying
    over = end + timedelta(minutes=70)  # ten devices at ten minutes each, from half an hour before
    assert f"{end:%Y-%m-%d %H:%M} UTC" in finding.text
    assert any(f"{moment:%Y-%m-%d %H:%M} UTC" in finding.text for moment in (over, over + timedelta(minutes=1)))
    assert "about 1 h 40 min" in finding.text
    assert "new ones goes on" in finding.text


async def test_credentials_that_last_are_no_worry(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they end after the run nobody is bothered; a dry run says it all the same."""
    end = lend(monkeypatch, hours=12)
    finding = (await found(mill))["credentials"]
    assert not finding.worrying
    assert f"end at {end:%Y-%m-%d %H:%M} UTC" in finding.text
    assert not any("credentials" in note for note in await told(mill))


async def test_a_part_has_its_second_look_counted(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --part each thing is looked at once more, at a quota of its own that may set the pace."""
    lend(monkeypatch, minutes=30)
    access = replace(mill.access, quotas=FAST | {"ListThingPrincipals": SLOW})
    devices = "".join(f"t{n}\n" for n in range(10))
    assert not (await found(mill, devices, access=access))["credentials"].worrying
    shared = (await found(mill, devices, access=access, part=Part(1, 1)))["credentials"]
    assert shared.worrying
    assert "about 1 h 40 min" in shared.text


async def test_what_is_done_needs_no_time(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planned time is that of the devices that are left, not of the manifest."""
    devices = "one\ntwo\nthree\n"
    await mill.run(devices)
    lend(monkeypatch, minutes=5)
    assert not (await found(mill, devices, rate=SLOW))["credentials"].worrying
    assert (await found(mill, devices + "four\n", rate=SLOW))["credentials"].worrying


async def test_credentials_that_renew_themselves_are_no_worry(
    mill: Mill, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A credential_process that says when its credentials end is run again by then."""
    end = datetime.now(UTC) + timedelta(minutes=20)
    answer = {"Version": 1, "AccessKeyId": "AKIDPROCESS", "SecretAccessKey": "x", "Expiration": end.isoformat()}
    script = tmp_path / "lend.py"
    script.write_text(f"print({json.dumps(answer)!r})\n", encoding="utf-8")
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = {sys.executable} {script}\n", encoding="utf-8")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    finding = (await found(mill, "one\ntwo\nthree\n", rate=SLOW))["credentials"]
    assert not finding.worrying
    assert {call.access_key for call in mill.double.journal.calls} == {"AKIDPROCESS"}


async def test_credentials_that_end_in_the_middle_stop_a_run_as_others_do(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where botocore will not sign any more, that is told as an expired token and not as a crash."""
    lend(monkeypatch, seconds=-1)
    async with registry_of(mill) as registry:
        with pytest.raises(CallError, match="nobody renewed them") as caught:
            await registry.describe_endpoint()
    assert (caught.value.failure, caught.value.code) == (Failure.FATAL, "ExpiredToken")
    assert "goes on where it stopped" in caught.value.advice
