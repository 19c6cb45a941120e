"""Old certificates go from devices that have the new one for certain, once, and from nobody else."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pipeline import audit
from pipeline.errors import RefusedError
from pipeline.retire import MOST_ALIKE, Fate
from pipeline.settings import Existing
from pipeline.stop import Stop
from tests.retire.rotated import give_old, retire_all, retire_seen, rotate
from tests.support.awsiot import Fail

if TYPE_CHECKING:
    from tests.core.mill import Mill
    from tests.support.awsiot.records import Certificate

pytestmark = pytest.mark.anyio


def on_account(mill: Mill, arn: str) -> Certificate | None:
    return mill.double.account.store.certificates.get(arn.rpartition("/")[2])


def new_of(mill: Mill, name: str) -> str:
    certificate = mill.entry(name).certificate
    assert certificate is not None
    return certificate.arn


def principals(mill: Mill, name: str) -> list[str]:
    return mill.double.account.registry.things[name].principals


async def test_who_was_seen_gives_up_the_old_certificate(mill: Mill) -> None:
    """The seen device keeps its new certificate alone, the other keeps both, and the ledger says which."""
    old = await rotate(mill, "one", "two")
    found = await retire_seen(mill, "one")
    assert found.keys() == {"one"}
    assert found["one"].fate is Fate.RETIRED
    assert found["one"].gone == (old["one"].rpartition("/")[2],)
    assert on_account(mill, old["one"]) is None
    assert principals(mill, "one") == [new_of(mill, "one")]
    kept = on_account(mill, old["two"])
    assert kept is not None
    assert (kept.status, kept.policies) == ("ACTIVE", ["device"])
    assert principals(mill, "two") == [old["two"], new_of(mill, "two")]
    assert (mill.entry("one").retired, mill.entry("two").retired) == (True, False)


async def test_authority_goes_first_and_every_change_stands_in_the_trail(mill: Mill) -> None:
    """Policy, thing, status, certificate: in this order, each with its line in the run's audit trail."""
    old = await rotate(mill, "one")
    before = mill.double.journal.mutating_calls
    await retire_all(mill)
    order = ["DetachPolicy", "DetachThingPrincipal", "UpdateCertificate", "DeleteCertificate"]
    changes = [call for call in mill.double.journal.calls if call.mutating][before:]
    assert [call.operation for call in changes] == order
    lines = [line for _, line in audit.read(mill.folder.audit) if line is not None][-len(order) :]
    assert [line["call"] for line in lines] == order
    assert all(old["one"].endswith(line["certificate"]) for line in lines)


async def test_retiring_again_changes_nothing(mill: Mill) -> None:
    """Whoever gave up its old certificates is not asked about again."""
    await rotate(mill, "one", "two")
    await retire_all(mill)
    calls = len(mill.double.journal.calls)
    assert await retire_all(mill) == {}
    assert [call.operation for call in mill.double.journal.calls[calls:]] == ["GetCallerIdentity"]


async def test_several_old_certificates_go_together(mill: Mill) -> None:
    """A thing that had two before the run has none of them afterwards."""
    first, second = (give_old(mill.double.account, "one") for _ in range(2))
    await mill.run(existing=Existing.ROTATE)
    assert set(mill.entry("one").old_certificates) == {first, second}
    await retire_all(mill)
    assert principals(mill, "one") == [new_of(mill, "one")]
    assert len(mill.double.account.store.certificates) == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("INACTIVE", "its new certificate is INACTIVE and not ACTIVE"),
        ("REVOKED", "its new certificate is REVOKED and not ACTIVE"),
        (None, "its new certificate is not on the account"),
    ],
)
async def test_without_an_active_new_certificate_the_old_one_stays(
    mill: Mill, status: str | None, reason: str
) -> None:
    """A device whose new certificate cannot connect is named and left, also when all are meant."""
    old = await rotate(mill, "one")
    store, identity = mill.double.account.store, new_of(mill, "one").rpartition("/")[2]
    if status is None:
        del store.certificates[identity]
    else:
        store.certificates[identity].status = status
    found = await retire_all(mill)
    assert (found["one"].fate, found["one"].reason) == (Fate.LEFT, reason)
    kept = on_account(mill, old["one"])
    assert kept is not None
    assert kept.status == "ACTIVE"
    assert not mill.entry("one").retired


async def test_a_device_that_is_not_done_is_left(mill: Mill) -> None:
    """A device whose last step failed keeps the certificate that works, and can give it up after the next run."""
    old = give_old(mill.double.account, "one")
    mill.double.faults.script("AttachPolicy", Fail("LimitExceededException"))
    await mill.run(existing=Existing.ROTATE)
    found = await retire_all(mill)
    assert (found["one"].fate, found["one"].reason) == (Fate.LEFT, "it is failed: run it to its end first")
    assert on_account(mill, old) is not None
    await mill.run(existing=Existing.ROTATE)
    await retire_all(mill)
    assert on_account(mill, old) is None


async def test_what_other_things_have_too_they_keep(mill: Mill) -> None:
    """A certificate shared with a thing outside the run is detached from the device alone, and that is told."""
    old = give_old(mill.double.account, "one", "stranger")
    await mill.run(existing=Existing.ROTATE)
    found = await retire_all(mill)
    assert found["one"].fate is Fate.RETIRED
    assert found["one"].kept == {
        old.rpartition("/")[2]: "other things have it too (stranger), and keep it",
    }
    kept = on_account(mill, old)
    assert kept is not None
    assert (kept.status, kept.things, kept.policies) == ("ACTIVE", ["stranger"], ["device"])
    assert principals(mill, "one") == [new_of(mill, "one")]
    assert mill.entry("one").retired


async def test_a_certificate_that_all_devices_share_goes_with_the_last(mill: Mill) -> None:
    """It stays while one device has it, and none is left dangling when all give it up at the same time."""
    names = [f"device-{number}" for number in range(12)]
    old = give_old(mill.double.account, *names)
    await mill.run("\n".join(names), existing=Existing.ROTATE)
    found = await retire_seen(mill, *names[:6])
    assert {result.fate for result in found.values()} == {Fate.RETIRED}
    assert all("other devices of this run" in next(iter(result.kept.values())) for result in found.values())
    kept = on_account(mill, old)
    assert kept is not None
    assert (kept.status, kept.things) == ("ACTIVE", names[6:])
    found = await retire_all(mill)
    assert sum(len(result.gone) for result in found.values()) == 1
    assert on_account(mill, old) is None
    assert all(principals(mill, name) == [new_of(mill, name)] for name in names)


async def test_a_certificate_of_this_run_is_never_taken_for_an_old_one(mill: Mill) -> None:
    """Where the ledger names as old what this run issued, it stays, and that is told."""
    await rotate(mill, "one", "two")
    arn = new_of(mill, "two")
    with closing(sqlite3.connect(mill.folder.ledger)) as connection, connection:
        connection.execute("UPDATE devices SET old_certificates = ?", (json.dumps([arn]),))
    found = await retire_all(mill)
    assert [result.fate for result in found.values()] == [Fate.RETIRED] * 2
    assert all(result.kept == {arn.rpartition("/")[2]: "this run issued it to two"} for result in found.values())
    kept = on_account(mill, arn)
    assert kept is not None
    assert (kept.status, kept.things) == ("ACTIVE", ["two"])


async def test_what_cannot_be_deleted_is_told_and_done_next_time(mill: Mill) -> None:
    """A certificate that stays, inactive, fails its device alone, which is finished by the next try."""
    old = await rotate(mill, "one", "two")
    mill.double.faults.script("DeleteCertificate", Fail("DeleteConflictException"), times=None, subject="old-one")
    found = await retire_all(mill)
    assert (found["one"].fate, found["two"].fate) == (Fate.FAILED, Fate.RETIRED)
    assert old["one"].rpartition("/")[2] in found["one"].reason
    kept = on_account(mill, old["one"])
    assert kept is not None
    assert kept.status == "INACTIVE"
    assert not mill.entry("one").retired
    mill.double.faults.clear()
    assert (await retire_all(mill))["one"].fate is Fate.RETIRED
    assert on_account(mill, old["one"]) is None


async def test_a_refusal_of_all_stops_and_the_next_try_goes_on(mill: Mill) -> None:
    """Without the permission nothing is held against a device: the command ends, and can be run again."""
    names = [f"device-{number}" for number in range(5)]
    await rotate(mill, *names)
    mill.double.faults.deny("DeleteCertificate")
    told: list[str] = []
    with pytest.raises(RefusedError, match="DeleteCertificate was refused"):
        await retire_all(mill, tell=lambda result: told.append(result.thing_name))
    assert told == []
    mill.double.faults.clear()
    assert (await retire_all(mill)).keys() == set(names)
    assert len(mill.double.account.store.certificates) == len(names)


async def test_failures_alike_stop_before_every_device_failed(mill: Mill) -> None:
    """What fails one device after another for one reason is not tried on all the others."""
    names = [f"device-{number:02}" for number in range(3 * MOST_ALIKE)]
    await rotate(mill, *names)
    mill.double.faults.script("DetachPolicy", Fail("InvalidRequestException"), times=None)
    told: list[Fate] = []
    with pytest.raises(RefusedError, match=f"{MOST_ALIKE} devices in a row"):
        await retire_all(mill, tell=lambda result: told.append(result.fate))
    assert set(told) == {Fate.FAILED}
    assert len(told) < len(names)


async def test_a_request_to_stop_finishes_what_is_in_flight(mill: Mill) -> None:
    """Stopped half-way, each device has given up its old certificate for the ledger too, or has it untouched."""
    names = [f"device-{number:02}" for number in range(80)]
    old = await rotate(mill, *names)
    stop = Stop()
    found = await retire_seen(mill, *names, stop=stop, tell=lambda _: stop.request())
    assert 0 < len(found) < len(names)
    for name in names:
        certificate = on_account(mill, old[name])
        assert mill.entry(name).retired == (name in found) == (certificate is None)
        if certificate is not None:
            assert (certificate.status, certificate.things, certificate.policies) == ("ACTIVE", [name], ["device"])
    found |= await retire_seen(mill, *names)
    assert found.keys() == set(names)
    assert len(mill.double.account.store.certificates) == len(names)
