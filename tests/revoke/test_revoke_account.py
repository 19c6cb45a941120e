"""What a revoke leaves on the account: what was there before the run, exactly, and what was not the run's."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest

from pipeline.device import State
from pipeline.errors import RefusedError, RunFolderError
from pipeline.revocation import Scope
from pipeline.settings import Existing
from tests.core.mill import DOCUMENT, POLICY
from tests.revoke.accounts import listed, revoke
from tests.support.awsiot import Drop, Fail, Spoil, Wrong
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from tests.core.mill import Mill

pytestmark = pytest.mark.anyio

ROWS = (
    "name,thing_type,groups,billing_group,serial\n"
    "one,Pump,hall-a;pilot,spares,1\n"
    "two,Pump,hall-a,,2\n"
    "three,,hall-b,spares,3\n"
)
MADE = {"create_missing": True, "policy": "line-7", "policy_document": DOCUMENT}
WHOLE = Scope(things=True)


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
    """Leave a run that was about to make the thing ``one`` and was refused every look afterwards."""
    mill.double.faults.script("CreateThing", Fail("AccessDeniedException"), times=None)
    with pytest.raises(RefusedError):
        await mill.run()
    mill.double.faults.clear()
    assert mill.entry("one").thing_created


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


async def test_detachments_that_show_late_are_waited_for(mill: Mill) -> None:
    """A deletion that AWS refuses for a link that was taken away is tried again until it is seen to be gone."""
    before = listed(mill.double)
    await mill.run()
    mill.double.faults.script("DeleteCertificate", Fail("DeleteConflictException", 409), times=2)
    mill.double.faults.script("DeleteThing", Fail("InvalidRequestException", 400))
    assert (await revoke(mill, WHOLE)).gone == ["one"]
    assert listed(mill.double) == before


@pytest.mark.parametrize("code", ["AccessDeniedException", "LimitExceededException", "ExpiredTokenException"])
@pytest.mark.parametrize("operation", ["DescribeCertificate", "DetachPolicy", "DeleteCertificate", "DeleteThing"])
async def test_what_is_refused_for_all_ends_the_revoke(mill: Mill, operation: str, code: str) -> None:
    """A missing permission, a limit or expired credentials end it with exit code 3, and it can be run again."""
    before = listed(mill.double)
    await mill.run("one\ntwo\nthree\n")
    mill.double.faults.script(operation, Fail(code), times=None)
    with pytest.raises(RefusedError) as caught:
        await revoke(mill, WHOLE)
    assert caught.value.exit_code == 3
    assert code in caught.value.message
    mill.double.faults.clear()
    await revoke(mill, WHOLE)
    assert listed(mill.double) == before


async def test_one_devices_refusal_is_its_own(mill: Mill) -> None:
    """What AWS refuses for one certificate leaves that device as it is, with the reason, and the others go."""
    await mill.run("one\ntwo\nthree\n")
    mill.double.faults.script("UpdateCertificate", Fail("CertificateStateException"), subject="two", times=None)
    told = await revoke(mill, WHOLE)
    assert sorted(told.gone) == ["one", "three"]
    assert "UpdateCertificate was refused" in told.kept["two"]
    assert mill.entry("two").outcome is None
    assert "two" in mill.double.account.registry.things


async def test_a_revoked_run_is_not_gone_on_with(mill: Mill) -> None:
    """The manifest run again over a revoked run is refused with exit code 4, and nothing is asked of AWS IoT."""
    await mill.run()
    await revoke(mill, WHOLE)
    changes = mill.double.journal.mutating_calls
    with pytest.raises(RunFolderError, match="was revoked") as caught:
        await mill.run()
    assert caught.value.exit_code == 4
    assert mill.double.journal.mutating_calls == changes


async def test_a_run_whose_revoke_was_begun_is_not_gone_on_with(mill: Mill) -> None:
    """From the first call of a revoke on, though no device is marked yet, the run cannot be gone on with."""
    await mill.run()
    mill.double.faults.deny("DeleteCertificate")
    with pytest.raises(RefusedError):
        await revoke(mill, WHOLE)
    mill.double.faults.clear()
    assert mill.entry("one").outcome is None
    with pytest.raises(RunFolderError, match="is being revoked"):
        await mill.run()


async def test_a_run_goes_on_without_the_devices_that_were_taken_back(mill: Mill) -> None:
    """Once a part of a run is taken back, the rest is gone on with, and what was taken back stays so."""
    mill.double.faults.deny("AttachPolicy")
    with pytest.raises(RefusedError):
        await mill.run("one\ntwo\n")
    mill.double.faults.clear()
    await revoke(mill, Scope(devices=("one",)))
    run = await mill.run("one\ntwo\n")
    assert mill.entry("one").outcome == "revoked"
    assert mill.state("two") is State.DONE
    assert mill.certificates("one") == []
    assert run.summary is not None
    assert (run.summary.outcomes["revoked"], run.summary.outcomes["done"]) == (1, 1)


async def test_a_skipped_device_is_left_alone(mill: Mill) -> None:
    """A thing that the run left alone has its certificate still, and the device is not marked."""
    account = mill.double.account
    account.registry.create_thing("one", None, {}, None)
    theirs = account.store.issue(make_csr("theirs").pem, active=True)
    account.attach_principal("one", theirs.arn)
    before = listed(mill.double)
    await mill.run("one\ntwo\n", existing=Existing.SKIP)
    told = await revoke(mill, WHOLE)
    assert told.gone == ["two"]
    assert mill.entry("one").outcome == "skipped"
    assert listed(mill.double) == before


async def test_old_certificates_stay_when_a_rotation_is_taken_back(mill: Mill) -> None:
    """Only the certificate of this run goes: the one that the thing had before works on."""
    account = mill.double.account
    account.registry.create_thing("one", None, {}, None)
    old = account.store.issue(make_csr("old").pem, active=True)
    account.attach_principal("one", old.arn)
    before = listed(mill.double)
    await mill.run(existing=Existing.ROTATE)
    assert len(account.registry.things["one"].principals) == 2
    await revoke(mill, WHOLE)
    assert listed(mill.double) == before


async def test_the_reports_say_revoked(mill: Mill) -> None:
    """summary.csv and summary.json are written again, and count the device that stays apart."""
    await mill.run("one\ntwo\n")
    mill.double.faults.script("DeleteThing", Fail("VersionConflictException", 409), subject="two", times=None)
    await revoke(mill, WHOLE)
    with (mill.folder.root / "summary.csv").open(newline="") as file:
        rows = {row["thing_name"]: (row["state"], row["outcome"]) for row in csv.DictReader(file)}
    assert rows == {"one": ("REVOKED", "revoked"), "two": ("DONE", "done")}
    document = json.loads((mill.folder.root / "summary.json").read_text())
    assert document["outcomes"] == {"done": 1, "failed": 0, "skipped": 0, "open": 0, "revoked": 1}
    assert (document["states"]["DONE"], document["states"]["REVOKED"]) == (1, 1)


async def test_every_call_stands_in_the_audit_trail(mill: Mill) -> None:
    """What a revoke changed is in audit.jsonl, call for call."""
    await mill.run()
    known = len(mill.folder.audit.read_bytes().splitlines())
    mill.double.journal.calls.clear()
    await revoke(mill, WHOLE)
    trail = [json.loads(line)["call"] for line in mill.folder.audit.read_bytes().splitlines()[known:]]
    assert trail == [call.operation for call in mill.double.journal.calls if call.mutating]


async def test_more_devices_than_lanes_are_all_taken_back(mill: Mill) -> None:
    """A run of more devices than are in work at once, or on a page of the ledger, leaves nothing."""
    before = listed(mill.double)
    names = [f"t{number:03}" for number in range(300)]
    await mill.run("\n".join(names))
    told = await revoke(mill, WHOLE)
    assert sorted(told.gone) == names
    assert listed(mill.double) == before


async def test_a_device_without_a_policy_goes_like_any_other(mill: Mill) -> None:
    """A certificate that nothing was attached to is withdrawn in fewer calls."""
    before = listed(mill.double)
    await mill.run("one\n", policy=None, inactive=True)
    mill.double.journal.calls.clear()
    await revoke(mill, WHOLE)
    assert listed(mill.double) == before
    assert not mill.double.journal.find("UpdateCertificate")
