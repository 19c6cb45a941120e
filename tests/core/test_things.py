"""Step 1: the thing is there as the manifest has it, and has no certificate that the run does not know of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.device import State
from pipeline.settings import Existing
from tests.support.awsiot import Fail
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from tests.core.mill import Mill

pytestmark = pytest.mark.anyio


@pytest.fixture
def taken(mill: Mill) -> str:
    """The thing ``one``, which has a certificate of somebody else's attached; its ARN."""
    account = mill.double.account
    account.registry.create_thing("one", None, {}, None)
    certificate = account.store.issue(make_csr("somebody").pem, active=True)
    account.attach_principal("one", certificate.arn)
    return certificate.arn


async def test_a_thing_with_a_certificate_fails_by_default(mill: Mill, taken: str) -> None:
    """--existing fail: nothing is made for it, and the advice names both ways out."""
    run = await mill.run("one\ntwo\n", existing=Existing.FAIL)
    assert run.summary is not None
    assert run.summary.outcomes == {"done": 1, "failed": 1, "skipped": 0, "open": 0}
    error = mill.entry("one").error
    assert error is not None
    assert (error.step, error.code) == (1, "ThingHasCertificate")
    assert "--existing skip" in error.advice
    assert "--existing add" in error.advice
    assert mill.double.account.registry.things["one"].principals == [taken]
    assert not mill.folder.staged("one").exists()
    assert mill.issues("one") == 0


async def test_a_thing_with_a_certificate_can_be_skipped(mill: Mill, taken: str) -> None:
    """--existing skip: it is left alone and counts as no failure, also in the next run."""
    for _ in range(2):
        run = await mill.run("one\ntwo\n", existing=Existing.SKIP)
        assert run.summary is not None
        assert run.summary.outcomes == {"done": 1, "failed": 0, "skipped": 1, "open": 0}
    assert mill.entry("one").outcome == "skipped"
    assert mill.double.account.registry.things["one"].principals == [taken]
    assert mill.issues() == 1


async def test_a_thing_with_a_certificate_can_get_another(mill: Mill, taken: str) -> None:
    """--existing add: the new certificate is attached beside the old one."""
    await mill.run(existing=Existing.ADD)
    [certificate] = mill.certificates("one")
    assert mill.double.account.registry.things["one"].principals == [taken, certificate.arn]
    assert mill.state("one") is State.DONE


@pytest.mark.parametrize("existing", Existing)
async def test_a_thing_without_a_certificate_is_used_as_it_is(mill: Mill, existing: Existing) -> None:
    """A thing that fits is taken, and nothing that others wrote on it is changed."""
    mill.double.account.registry.create_thing("one", None, {"serial": "SN1", "site": "north"}, None)
    await mill.run("name,serial\none,SN1\n", suffix=".csv", existing=existing)
    assert mill.state("one") is State.DONE
    thing = mill.double.account.registry.things["one"]
    assert (thing.attributes, thing.version) == ({"serial": "SN1", "site": "north"}, 1)
    assert not mill.entry("one").thing_created
    assert mill.double.journal.count("CreateThing") == 0


@pytest.mark.parametrize(
    ("row", "difference"),
    [
        ("one,Pump,SN1", "its thing type is none, not Pump"),
        ("one,,SN2", "its attribute serial is SN1, not SN2"),
    ],
)
async def test_a_thing_that_differs_is_not_changed(mill: Mill, row: str, difference: str) -> None:
    """A thing of another type or with another attribute fails its device, and says how it differs."""
    mill.double.account.registry.create_type("Pump", {})
    mill.double.account.registry.create_thing("one", None, {"serial": "SN1"}, None)
    await mill.run(f"name,thing_type,serial\n{row}\n", suffix=".csv")
    error = mill.entry("one").error
    assert error is not None
    assert (error.step, error.code) == (1, "ThingDiffers")
    assert difference in error.message
    assert mill.double.journal.count("UpdateThing") == 0
    assert mill.issues() == 0


async def test_a_thing_made_by_somebody_else_meanwhile_fails_its_device(mill: Mill) -> None:
    """CreateThing conflicts with what another process made since DescribeThing: it is not overwritten."""
    mill.double.faults.script("CreateThing", Fail("ResourceAlreadyExistsException"))
    await mill.run()
    assert mill.code("one") == "ThingDiffers"
    assert mill.issues() == 0


async def test_a_thing_joins_its_billing_group(mill: Mill) -> None:
    """A thing that is there and not in the row's billing group is put into it; one that is, is left alone."""
    registry = mill.double.account.registry
    registry.create_billing_group("spares", {})
    registry.create_thing("one", None, {}, None)
    registry.create_thing("two", None, {}, "spares")
    await mill.run("one\ntwo\n", billing_group="spares")
    assert [registry.things[name].billing_group for name in ("one", "two")] == ["spares", "spares"]
    assert [call.subject for call in mill.double.journal.find("AddThingToBillingGroup")] == ["one"]
