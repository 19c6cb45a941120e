"""A revoke that meets refusals, and what may be done with a run during it and after it."""

from __future__ import annotations

import csv
import json
from itertools import cycle, product
from typing import TYPE_CHECKING

import pytest

from pipeline.device import State
from pipeline.errors import RefusedError, RunFolderError
from pipeline.scope import Scope
from pipeline.settings import Existing
from tests.core.mill import DOCUMENT
from tests.revoke.accounts import WHOLE, listed, revoke
from tests.support.awsiot import Fail
from tests.support.csrs import make_csr
from tests.support.thorough import sampled

if TYPE_CHECKING:
    from tests.core.mill import Mill

pytestmark = pytest.mark.anyio

OPERATIONS = ("DescribeCertificate", "DetachPolicy", "DeleteCertificate", "DeleteThing")
CODES = ("AccessDeniedException", "LimitExceededException", "ExpiredTokenException")
"""Each of both is tried every time, and in the thorough cases each with each."""


async def test_detachments_that_show_late_are_waited_for(mill: Mill) -> None:
    """A deletion that AWS refuses for a link that was taken away is tried again until it is seen to be gone."""
    before = listed(mill.double)
    await mill.run()
    mill.double.faults.script("DeleteCertificate", Fail("DeleteConflictException", 409), times=2)
    mill.double.faults.script("DeleteThing", Fail("InvalidRequestException", 400))
    assert (await revoke(mill, WHOLE)).gone == ["one"]
    assert listed(mill.double) == before


@pytest.mark.parametrize(
    ("operation", "code"), sampled(product(OPERATIONS, CODES), lambda case: case in zip(OPERATIONS, cycle(CODES)))
)
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


async def test_a_narrow_revoke_does_not_end_a_wider_one(mill: Mill) -> None:
    """While one device is half taken back, a revoke of another leaves the run as one that is not gone on with."""
    await mill.run("one\ntwo\n")
    mill.double.faults.script("DeleteCertificate", Fail("InvalidRequestException"), subject="two", times=None)
    told = await revoke(mill, Scope(devices=("two",)))
    assert "two" in told.kept
    mill.double.faults.clear()
    assert (await revoke(mill, Scope(devices=("one",)))).gone == ["one"]
    with pytest.raises(RunFolderError, match="is being revoked"):
        await mill.run("one\ntwo\n")
    assert (await revoke(mill, WHOLE)).kept == {}


async def test_a_policy_that_was_refused_is_not_the_runs(mill: Mill) -> None:
    """What a run was not allowed to make, and somebody else made then, stays when the run is taken back."""
    options = {"policy": "line-7", "policy_document": DOCUMENT}
    mill.double.faults.script("CreatePolicy", Fail("AccessDeniedException"), times=None)
    with pytest.raises(RefusedError):
        await mill.run(**options)
    mill.double.faults.clear()
    mill.double.account.create_policy("line-7", DOCUMENT)
    await mill.run(**options)
    assert (await revoke(mill, WHOLE)).kept == {}
    assert "line-7" in mill.double.account.policies


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
