"""What a revoke leaves on the account: what was there before the run, exactly, and what was not the run's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.errors import RefusedError
from pipeline.scope import Scope
from tests.core.mill import POLICY
from tests.revoke.accounts import MADE, ROWS, WHOLE, listed, revoke
from tests.support.awsiot import Drop, Fail, Spoil, Wrong

if TYPE_CHECKING:
    from tests.core.mill import Mill

pytestmark = pytest.mark.anyio


async def test_the_account_is_as_it_was_before_the_run(mill: Mill) -> None:
    """Things, certificates, policies, groups and every link between them are those of before, and no other."""
    before = listed(mill.double)
    await mill.run(ROWS, suffix=".csv", **MADE)
    assert listed(mill.double) != before
    told = await revoke(mill, WHOLE)
    assert listed(mill.double) == before
    assert sorted(told.gone) == ["one", "three", "two"]
    assert told.kept == {}


async def test_the_order_is_the_one_that_aws_asks_for(mill: Mill) -> None:
    """A certificate loses its policy, then its thing, then its power, then itself, and the thing goes last."""
    await mill.run()
    mill.double.journal.calls.clear()
    await revoke(mill, WHOLE)
    assert [call.operation for call in mill.double.journal.calls if call.mutating] == [
        "DetachPolicy",
        "DetachThingPrincipal",
        "UpdateCertificate",
        "DeleteCertificate",
        "DeleteThing",
    ]


async def test_without_things_the_things_stay(mill: Mill) -> None:
    """By default certificates go, and things keep their groups, attributes and type; so do policies and groups."""
    await mill.run(ROWS, suffix=".csv", **MADE)
    told = await revoke(mill, Scope())
    account = mill.double.account
    assert account.store.certificates == {}
    assert {name: thing.groups for name, thing in account.registry.things.items()} == {
        "one": ["hall-a", "pilot"],
        "two": ["hall-a"],
        "three": ["hall-b"],
    }
    assert all(thing.principals == [] for thing in account.registry.things.values())
    assert account.policies["line-7"].targets == {}
    assert len(told.gone) == 3


async def test_things_can_be_deleted_later(mill: Mill) -> None:
    """A run whose certificates alone were taken back gives up its things when asked to, and nothing twice."""
    before = listed(mill.double)
    await mill.run("one\ntwo\n")
    await revoke(mill, Scope())
    told = await revoke(mill, WHOLE)
    assert listed(mill.double) == before
    assert sorted(told.gone) == ["one", "two"]
    assert mill.double.journal.count("DeleteCertificate") == mill.double.journal.count("DeleteThing") == 2


async def test_what_was_there_before_stays(mill: Mill) -> None:
    """A thing that the run found, with its attributes, and a group and a policy that it found, are left."""
    registry = mill.double.account.registry
    registry.create_type("Pump", {})
    registry.create_group("hall-a", None, {})
    registry.create_thing("two", "Pump", {"serial": "2", "colour": "red"}, None)
    registry.join_group("two", "hall-a")
    before = listed(mill.double)
    await mill.run(ROWS, suffix=".csv", create_missing=True)
    await revoke(mill, WHOLE)
    assert listed(mill.double) == before


async def test_a_later_thing_of_the_same_name_is_not_the_runs(mill: Mill) -> None:
    """What somebody makes under a revoked device's name is not touched when the revoke is run again."""
    await mill.run()
    await revoke(mill, WHOLE)
    mill.double.account.registry.create_thing("one", None, {}, None)
    changes = mill.double.journal.mutating_calls
    await revoke(mill, WHOLE)
    assert "one" in mill.double.account.registry.things
    assert mill.double.journal.mutating_calls == changes


@pytest.mark.parametrize("scope", [Scope(), WHOLE, Scope(purge=True), Scope(things=True, purge=True)])
async def test_a_finished_revoke_again_changes_nothing(mill: Mill, scope: Scope) -> None:
    """Run again, it makes no call about any device, and the account stays as it is."""
    await mill.run(ROWS, suffix=".csv", **MADE)
    await revoke(mill, scope)
    mill.double.journal.calls.clear()
    told = await revoke(mill, scope)
    assert {call.operation for call in mill.double.journal.calls} <= {"GetCallerIdentity"} | {
        "ListServiceQuotas",
        "ListAWSDefaultServiceQuotas",
    }
    assert (told.gone, told.kept) == ([], {})


async def test_only_the_named_devices_are_taken_back(mill: Mill) -> None:
    """With names all others keep their certificates, their things, and what the run made for all of them."""
    await mill.run(ROWS, suffix=".csv", **MADE)
    told = await revoke(mill, Scope(devices=("two",), things=True))
    account = mill.double.account
    assert told.gone == ["two"]
    assert sorted(account.registry.things) == ["one", "three"]
    assert sorted(account.certificates_by_common_name()) == ["one", "three"]
    assert {"hall-a", "hall-b", "pilot"} == set(account.registry.groups)
    assert "line-7" in account.policies


async def test_a_run_that_was_taken_back_in_parts_leaves_nothing(mill: Mill) -> None:
    """Devices first, the rest later: in the end the account is as it was."""
    before = listed(mill.double)
    await mill.run(ROWS, suffix=".csv", **MADE)
    await revoke(mill, Scope(devices=("two",), things=True))
    await revoke(mill, WHOLE)
    assert listed(mill.double) == before


async def test_only_failed_devices_are_taken_back(mill: Mill) -> None:
    """With --failed-only a device that failed half-way is cleared away, and those that are done are left."""
    mill.double.faults.script("AttachPolicy", Fail("InvalidRequestException"), subject="two", times=None)
    await mill.run("one\ntwo\n")
    assert mill.entry("two").outcome == "failed"
    told = await revoke(mill, Scope(failed_only=True, things=True))
    assert told.gone == ["two"]
    assert list(mill.double.account.registry.things) == ["one"]
    assert mill.certificates("one")[0].policies == [POLICY]
    assert mill.certificates("two") == []


async def test_a_certificate_nobody_knew_of_is_found_and_withdrawn(mill: Mill) -> None:
    """A request whose answer was lost is settled first: the certificate that it issued goes like any other."""
    before = listed(mill.double)
    mill.double.faults.script("CreateCertificateFromCsr", Drop(after=True), subject="one")
    mill.double.faults.deny("ListCertificates")
    with pytest.raises(RefusedError):
        await mill.run()
    assert len(mill.certificates("one")) == 1
    mill.double.faults.clear()
    told = await revoke(mill, WHOLE)
    assert told.gone == ["one"]
    assert listed(mill.double) == before


async def test_a_request_that_issued_nothing_is_settled_too(mill: Mill) -> None:
    """When it is certain that nothing was issued, the device is taken back without a certificate to withdraw."""
    before = listed(mill.double)
    mill.double.faults.script("CreateCertificateFromCsr", Drop(after=False), subject="one")
    mill.double.faults.deny("ListCertificates")
    with pytest.raises(RefusedError):
        await mill.run()
    mill.double.faults.clear()
    assert (await revoke(mill, WHOLE)).gone == ["one"]
    assert listed(mill.double) == before


async def test_what_failed_inspection_goes_too(mill: Mill) -> None:
    """A certificate for another key that the run could not remove is removed before its device is taken back."""
    before = listed(mill.double)
    mill.double.faults.script("CreateCertificateFromCsr", Spoil(Wrong.OTHER_KEY))
    mill.double.faults.deny("DeleteCertificate")
    with pytest.raises(RefusedError):
        await mill.run()
    assert mill.certificates("one")
    mill.double.faults.clear()
    await revoke(mill, WHOLE)
    assert listed(mill.double) == before
