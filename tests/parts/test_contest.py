"""Two stations that were given one part by mistake: no thing ends with two certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline.part import Part
from pipeline.settings import Existing
from tests.core.mill import Mill
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.run import Run
    from tests.support.awsiot import AwsIotDouble, Wrong
    from tests.support.awsiot.records import Certificate

pytestmark = pytest.mark.anyio

SHARED = Part(1, 1)


def attach_other(double: AwsIotDouble, thing: str) -> str:
    """Have somebody else give a thing a certificate; return its ARN."""
    other = double.account.store.issue(make_csr(thing).pem, active=True)
    double.account.attach_principal(thing, other.arn)
    return other.arn


async def test_no_thing_has_two_certificates(mill: Mill, tmp_path: Path) -> None:
    """Both at once over the same devices: a thing has one certificate where its device is done, and none else."""
    (tmp_path / "b").mkdir()
    stations = (mill, Mill(mill.double, tmp_path / "b"))
    names = [f"unit-{number}" for number in range(15)]
    async with anyio.create_task_group() as group:
        for station in stations:
            group.start_soon(_provision, station, names)
    things = mill.double.account.registry.things
    assert set(things) == set(names)
    for name in names:
        done = [station for station in stations if station.code(name) is None]
        assert len(done) <= 1
        held = [station.entry(name).certificate for station in done]
        assert things[name].principals == [certificate.arn for certificate in held if certificate]
        assert {station.code(name) for station in stations} <= {None, "ThingContested", "ThingHasCertificate"}


async def _provision(station: Mill, names: list[str]) -> Run:
    return await station.run("\n".join(names), part=SHARED)


async def test_a_device_that_gave_way_has_no_authority(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails at step 7 with its certificate detached and without a policy; nothing of the other's is touched."""
    held = _attached_before_step_7(monkeypatch, mill, "one")
    await mill.run("one\n", part=SHARED)
    assert mill.code("one") == "ThingContested"
    thing = mill.double.account.registry.things["one"]
    assert thing.principals == held
    [own] = [each for each in mill.certificates("one") if each.arn not in held]
    assert not own.policies


async def test_a_device_that_gave_way_goes_on_when_the_other_is_gone(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run again after the other's certificate was taken away, it is done with the certificate that it had."""
    held = _attached_before_step_7(monkeypatch, mill, "one")
    await mill.run("one\n", part=SHARED)
    before = mill.entry("one").certificate
    mill.double.account.detach_principal("one", held[0])
    await mill.run("one\n", part=SHARED)
    assert mill.code("one") is None
    assert mill.entry("one").certificate == before
    assert mill.issues("one") == 1


async def test_certificates_that_were_there_are_no_contest(mill: Mill) -> None:
    """With --existing rotate and add a thing has an older certificate, for which nobody gives way."""
    for existing in (Existing.ROTATE, Existing.ADD):
        name = f"old-{existing}"
        mill.double.account.registry.create_thing(name, None, {}, None)
        attach_other(mill.double, name)
        station = Mill(mill.double, mill.home / existing.value)
        station.home.mkdir()
        await station.run(f"{name}\n", part=SHARED, existing=existing)
        assert station.code(name) is None
        assert len(mill.double.account.registry.things[name].principals) == 2


async def test_a_run_of_its_own_asks_nobody(mill: Mill) -> None:
    """Without --part a new thing is not looked at again: that would set the pace of small Regions."""
    await mill.run("one\n")
    assert mill.double.journal.count("ListThingPrincipals") == 0


def _attached_before_step_7(patch: pytest.MonkeyPatch, mill: Mill, name: str) -> list[str]:
    """Have another certificate attached to a thing as soon as this station's was issued; return its ARN."""
    held: list[str] = []
    store = mill.double.account.store
    issue = store.issue

    def issue_and_attach(csr_pem: str, *, active: bool, wrong: Wrong | None = None) -> Certificate:
        issued = issue(csr_pem, active=active, wrong=wrong)
        if not held:
            held.append("")
            held[0] = attach_other(mill.double, name)
        return issued

    patch.setattr(store, "issue", issue_and_attach)
    return held
