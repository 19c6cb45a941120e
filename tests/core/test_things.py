"""Step 1: the thing is there as the manifest has it, and has no certificate that the run does not know of."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pipeline.device import State
from pipeline.ledger import live_ledger
from pipeline.settings import Existing
from tests.core.mill import POLICY
from tests.support.awsiot import Drop, Fail
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
    """--existing fail: nothing is made for it, and the advice names all ways out."""
    run = await mill.run("one\ntwo\n", existing=Existing.FAIL)
    assert run.summary is not None
    assert run.summary.outcomes == {"done": 1, "failed": 1, "skipped": 0, "open": 0, "revoked": 0}
    error = mill.entry("one").error
    assert error is not None
    assert (error.step, error.code) == (1, "ThingHasCertificate")
    assert "--existing skip" in error.advice
    assert "--existing add" in error.advice
    assert "--existing rotate" in error.advice
    assert mill.double.account.registry.things["one"].principals == [taken]
    assert not mill.folder.staged("one").exists()
    assert mill.issues("one") == 0


async def test_a_thing_with_a_certificate_can_be_skipped(mill: Mill, taken: str) -> None:
    """--existing skip: it is left alone and counts as no failure, also in the next run."""
    for _ in range(2):
        run = await mill.run("one\ntwo\n", existing=Existing.SKIP)
        assert run.summary is not None
        assert run.summary.outcomes == {"done": 1, "failed": 0, "skipped": 1, "open": 0, "revoked": 0}
    assert mill.entry("one").outcome == "skipped"
    assert mill.double.account.registry.things["one"].principals == [taken]
    assert mill.issues() == 1


async def test_a_thing_with_a_certificate_can_get_another(mill: Mill, taken: str) -> None:
    """--existing add: the new certificate is attached beside the old one."""
    await mill.run(existing=Existing.ADD)
    [certificate] = mill.certificates("one")
    assert mill.double.account.registry.things["one"].principals == [taken, certificate.arn]
    assert mill.state("one") is State.DONE


async def test_a_thing_with_a_certificate_can_be_rotated(mill: Mill, taken: str) -> None:
    """--existing rotate: the new one comes beside the old one, which still works and is kept in the ledger."""
    account = mill.double.account
    account.attach_policy(POLICY, taken)
    await mill.run("one\ntwo\n", existing=Existing.ROTATE)
    [certificate] = mill.certificates("one")
    assert account.registry.things["one"].principals == [taken, certificate.arn]
    old = account.store.certificates[taken.rpartition("/")[2]]
    assert (old.status, old.policies) == ("ACTIVE", [POLICY])
    assert mill.entry("one").old_certificates == (taken,)
    assert mill.entry("two").old_certificates == ()
    assert not mill.entry("one").retired


async def test_every_old_certificate_is_kept_and_nothing_but_certificates(mill: Mill) -> None:
    """However many pages of them a thing has, all are kept; a principal of another kind is none to retire."""
    account = mill.double.account
    account.registry.create_thing("one", None, {}, None)
    csr = make_csr("somebody").pem
    arns = [account.store.issue(csr, active=True).arn for _ in range(60)]
    for arn in arns:
        account.attach_principal("one", arn)
    account.registry.things["one"].principals.append("eu-west-1:00000000-0000-4000-8000-000000000000")
    await mill.run(existing=Existing.ROTATE)
    assert sorted(mill.entry("one").old_certificates) == sorted(arns)


@pytest.mark.parametrize(
    ("existing", "issued"),
    [
        (Existing.FAIL, {"bare", "fresh"}),
        (Existing.SKIP, {"bare", "fresh"}),
        (Existing.ADD, {"one", "bare", "fresh"}),
        (Existing.ROTATE, {"one", "bare", "fresh"}),
    ],
)
async def test_each_mode_makes_keys_for_those_alone_that_it_issues_to(
    mill: Mill, taken: str, existing: Existing, issued: set[str]
) -> None:
    """A thing with a certificate is found before a key is made; those without one go on whatever the mode."""
    mill.double.account.registry.create_thing("bare", None, {}, None)
    await mill.run("one\nbare\nfresh\n", existing=existing)
    assert {call.subject for call in mill.double.journal.find("CreateCertificateFromCsr")} == issued
    keys = {path.stem for path in mill.folder.root.rglob("*.key")}
    assert keys == issued
    old = mill.double.account.store.certificates[taken.rpartition("/")[2]]
    assert (old.status, old.things) == ("ACTIVE", ["one"])
    assert {name for name in ("one", "bare", "fresh") if mill.entry(name).thing_created} == {"fresh"}


async def test_the_intent_to_make_a_thing_is_durable_before_it_is_made(mill: Mill) -> None:
    """When CreateThing arrives, anybody can read in the ledger that this run is about to make the thing."""
    seen: list[tuple[State, bool]] = []

    def look(operation: str, _: object) -> None:
        if operation == "CreateThing":
            with closing(live_ledger(mill.folder.ledger)) as reader:
                seen.extend((entry.state, entry.thing_created) for entry in reader.entries())

    mill.double.on_request = look
    await mill.run()
    assert seen == [(State.LISTED, True)]
    assert mill.entry("one").thing_created


@pytest.mark.parametrize("code", ["InvalidRequestException", "ResourceAlreadyExistsException"])
async def test_a_refused_thing_is_not_taken_for_made(mill: Mill, code: str) -> None:
    """What AWS refused to make, or somebody else made first, is not the run's, now or after the next run."""
    mill.double.faults.script("CreateThing", Fail(code))
    await mill.run()
    entry = mill.entry("one")
    assert (entry.state, entry.outcome, entry.thing_created) == (State.LISTED, "failed", False)
    mill.double.account.registry.create_thing("one", None, {}, None)
    await mill.run()
    assert mill.state("one") is State.DONE
    assert not mill.entry("one").thing_created


async def test_a_thing_whose_answer_was_lost_is_made_by_this_run(mill: Mill) -> None:
    """CreateThing without an answer is asked again, which changes nothing, and the thing is the run's."""
    mill.double.faults.script("CreateThing", Drop(after=True))
    await mill.run()
    assert mill.entry("one").thing_created
    assert mill.double.journal.count("CreateThing", outcome="ok") == 1


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
