"""Certificates that are wrong: refused, taken off the account, never bundled, and asked for anew the next time."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from pipeline.device import Issued, State
from pipeline.errors import DeviceError
from pipeline.ledger import Ledger
from pipeline.meter import Meter
from pipeline.progress.sinks import Silence
from pipeline.reconcile import Reconciler
from pipeline.stop import Stop
from tests.core.mill import registry_of
from tests.support.awsiot import Fail, Spoil, Wrong
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from tests.core.mill import Mill

pytestmark = pytest.mark.anyio

ISSUE = "CreateCertificateFromCsr"
CODES = {
    Wrong.GARBLED: "GarbledCertificate",
    Wrong.TWO_BLOCKS: "NotOnePem",
    Wrong.EXPIRED: "NotValidNow",
    Wrong.NOT_YET_VALID: "NotValidNow",
    Wrong.OTHER_KEY: "WrongKey",
    Wrong.OTHER_NAME: "WrongCommonName",
    Wrong.OTHER_ID: "WrongCertificateId",
}
REJECTED = DeviceError(5, "WrongKey", "the certificate is for another key than the CSR's")


def test_every_way_to_be_wrong_is_tried() -> None:
    """No kind of wrong certificate that the double can make is left out below."""
    assert set(CODES) == set(Wrong)


@pytest.mark.parametrize("wrong", Wrong)
async def test_a_wrong_certificate_is_removed_and_never_bundled(mill: Mill, wrong: Wrong) -> None:
    """It is set inactive, then deleted, the device fails with the reason, and no link was ever made."""
    mill.double.faults.script(ISSUE, Spoil(wrong), subject="two")
    run = await mill.run("one\ntwo\n")
    assert run.summary is not None
    assert run.summary.outcomes == {"done": 1, "failed": 1, "skipped": 0, "open": 0, "revoked": 0}
    entry = mill.entry("two")
    assert entry.error is not None
    assert (entry.error.step, entry.error.code, entry.state) == (5, CODES[wrong], State.KEYED)
    assert mill.certificates("two") == []
    assert not mill.folder.bundle("two").exists()
    removal = [call.operation for call in mill.double.journal.calls if call.operation.endswith("eCertificate")]
    assert [operation for operation in removal if operation != "DescribeCertificate"] == [
        "UpdateCertificate",
        "DeleteCertificate",
    ]
    assert mill.double.journal.count("AttachThingPrincipal", subject="two") == 0
    assert len(mill.certificates("one")) == 1

    key = (mill.folder.staged("two") / "two.key").read_bytes()
    await mill.run("one\ntwo\n")
    [certificate] = mill.certificates("two")
    assert mill.bundled("two") == certificate.pem
    assert (mill.folder.bundle("two") / "two.key").read_bytes() == key
    assert [mill.issues(name) for name in ("one", "two")] == [1, 2]


async def test_a_removal_that_failed_is_finished_first_by_the_next_run(mill: Mill) -> None:
    """A wrong certificate that could not be looked up stays on record and goes before anything is asked again."""
    mill.double.faults.script(ISSUE, Spoil(Wrong.OTHER_KEY))
    mill.double.faults.script("DescribeCertificate", Fail("ResourceNotFoundException"))
    await mill.run()
    assert mill.code("one") == "WrongKey"
    [wrong] = mill.certificates("one")

    before = len(mill.double.journal.calls)
    await mill.run()
    [certificate] = mill.certificates("one")
    assert certificate.certificate_id != wrong.certificate_id
    assert mill.bundled("one") == certificate.pem
    operations = [call.operation for call in mill.double.journal.calls[before:]]
    assert operations.index("DeleteCertificate") < operations.index(ISSUE)


async def test_the_id_in_a_wrong_answer_is_not_trusted(mill: Mill) -> None:
    """An answer that names somebody else's certificate does not get that one removed."""
    await mill.run("one\n")
    [good] = mill.certificates("one")
    stranger = mill.double.account.store.issue(make_csr("stranger").pem, active=True)
    answered = mill.double.account.store.issue(make_csr("answered").pem, active=True).pem
    ids = [good.certificate_id, stranger.certificate_id, "ab" * 32, "../" + "a" * 61, ""]

    async with registry_of(mill) as registry, Ledger(mill.folder.ledger) as ledger:
        [entry] = ledger.read.entries()
        reconciler = Reconciler(registry, ledger, Meter(), Stop())
        for identity in ids:
            issued = Issued(identity, f"arn:aws:iot:eu-west-1:123456789012:cert/{identity}", answered)
            spki = hashlib.sha256(b"another device").hexdigest()
            assert not await reconciler.removal.reject(entry.seq, spki, issued, REJECTED)
    assert (good.status, stranger.status) == ("ACTIVE", "ACTIVE")
    assert mill.double.journal.count("DeleteCertificate") == 0
    assert mill.double.journal.count("UpdateCertificate") == 0


async def test_a_wrong_certificate_that_something_holds_is_left_inactive(mill: Mill) -> None:
    """Where it cannot be deleted it can do nothing at least, and the run says so."""
    notes: list[str] = []

    class Listener(Silence):
        def note(self, message: str) -> None:
            notes.append(message)

    mill.double.faults.script(ISSUE, Spoil(Wrong.OTHER_NAME))
    mill.double.faults.script("DeleteCertificate", Fail("DeleteConflictException"))
    run = mill.prepare()
    run.meter.listeners.append(Listener())
    await mill.finish(run)
    assert [certificate.status for certificate in mill.certificates("one")] == ["INACTIVE"]
    assert sum("set inactive but not deleted" in note for note in notes) == 1
