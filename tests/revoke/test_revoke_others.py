"""What a revoke leaves alone: what is somebody else's, or may be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import RefusedError
from tests.core.mill import DOCUMENT, POLICY
from tests.revoke.accounts import MADE, ROWS, WHOLE, listed, revoke
from tests.support.awsiot import Fail
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from tests.core.mill import Mill

pytestmark = pytest.mark.anyio


async def test_a_certificate_on_somebody_elses_thing_is_withdrawn_and_the_thing_stays(mill: Mill) -> None:
    """The run's certificate is taken from whatever it was attached to meanwhile; that thing is not deleted."""
    before = listed(mill.double)
    await mill.run()
    account = mill.double.account
    account.registry.create_thing("spy", None, {}, None)
    account.attach_principal("spy", mill.certificates("one")[0].arn)
    account.create_policy("other", DOCUMENT)
    account.attach_policy("other", mill.certificates("one")[0].arn)
    assert (await revoke(mill, WHOLE)).gone == ["one"]
    assert account.registry.things["spy"].principals == []
    account.registry.delete_thing("spy", None)
    account.delete_policy("other")
    assert listed(mill.double) == before


async def test_a_thing_with_somebody_elses_certificate_stays(mill: Mill) -> None:
    """A thing that got another principal is not deleted, the device is not marked, and the reason is said."""
    await mill.run("one\ntwo\n")
    account = mill.double.account
    foreign = account.store.issue(make_csr("foreign").pem, active=True)
    account.attach_principal("one", foreign.arn)
    told = await revoke(mill, WHOLE)
    assert told.gone == ["two"]
    assert foreign.arn in told.kept["one"]
    assert mill.certificates("one") == []
    assert (mill.entry("one").outcome, mill.entry("two").outcome) == (None, "revoked")
    account.detach_principal("one", foreign.arn)
    assert (await revoke(mill, WHOLE)).gone == ["one"]
    assert "one" not in account.registry.things


async def intend_one(mill: Mill) -> None:
    """Leave a run that was killed when it was about to make the thing ``one``, or had just made it."""
    mill.double.faults.script("CreateThing", Fail("AccessDeniedException"), times=None)
    with pytest.raises(RefusedError):
        await mill.run()
    mill.double.faults.clear()
    assert not mill.entry("one").thing_created
    with closing(sqlite3.connect(mill.folder.ledger)) as ledger, ledger:
        ledger.execute("UPDATE devices SET thing_created = 1")


async def test_a_thing_that_was_about_to_be_made_goes_if_it_is_as_it_would_be(mill: Mill) -> None:
    """Killed between the intent and what came of it, a run leaves a thing that is its own."""
    before = listed(mill.double)
    await intend_one(mill)
    mill.double.account.registry.create_thing("one", None, {}, None)
    assert (await revoke(mill, WHOLE)).gone == ["one"]
    assert listed(mill.double) == before


async def test_a_thing_that_was_about_to_be_made_and_is_another_stays(mill: Mill) -> None:
    """One with attributes that the run would not have given was made by somebody else meanwhile."""
    await intend_one(mill)
    mill.double.account.registry.create_thing("one", None, {"owner": "lab"}, None)
    told = await revoke(mill, WHOLE)
    assert "may be somebody else's" in told.kept["one"]
    assert "one" in mill.double.account.registry.things


async def test_groups_and_policies_that_others_use_stay(mill: Mill) -> None:
    """A group with somebody's thing in it, and a policy on somebody's certificate, are left and named."""
    await mill.run(ROWS, suffix=".csv", **MADE)
    account = mill.double.account
    foreign = account.store.issue(make_csr("foreign").pem, active=True)
    account.attach_policy("line-7", foreign.arn)
    account.registry.create_thing("guest", None, {}, "spares")
    account.registry.join_group("guest", "hall-a")
    told = await revoke(mill, WHOLE)
    assert sorted(told.gone) == ["one", "three", "two"]
    assert sorted(told.kept) == ["billing group spares", "policy line-7", "thing group hall-a"]
    assert "guest" in told.kept["thing group hall-a"]
    assert set(account.registry.groups) == {"hall-a"}
    account.detach_policy("line-7", foreign.arn)
    account.registry.delete_thing("guest", None)
    assert (await revoke(mill, WHOLE)).kept == {}
    assert not account.registry.groups
    assert not account.registry.billing_groups
    assert set(account.policies) == {POLICY}


async def test_a_group_made_by_the_run_goes_with_things_of_before_in_it(mill: Mill) -> None:
    """A thing that was there before leaves a group that the run made for it, as the group is deleted."""
    mill.double.account.registry.create_thing("one", None, {}, None)
    before = listed(mill.double)
    await mill.run("name,groups\none,fresh\n", suffix=".csv", create_missing=True)
    await revoke(mill, WHOLE)
    assert listed(mill.double) == before


async def test_what_a_refused_run_did_not_make_is_not_the_runs(mill: Mill) -> None:
    """A policy that could not be made since somebody else was quicker is not deleted with the run."""
    mill.double.faults.script("CreatePolicy", Fail("ResourceAlreadyExistsException", 409))
    with pytest.raises(RefusedError):
        await mill.run(ROWS, suffix=".csv", **MADE)
    mill.double.account.create_policy("line-7", DOCUMENT)
    await revoke(mill, WHOLE)
    assert "line-7" in mill.double.account.policies
    assert mill.double.account.registry.groups == {}
