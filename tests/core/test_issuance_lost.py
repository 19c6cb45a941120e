"""Answers that were lost: what they issued is found and adopted, and never asked for twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline import issuance
from pipeline.aws import client
from pipeline.device import State
from pipeline.errors import InterruptedRunError
from pipeline.ledger import Ledger
from pipeline.meter import Meter
from pipeline.reconcile import Reconciler
from pipeline.stop import Stop
from tests.core.mill import registry_of
from tests.support.awsiot import Drop, Fail, Hang, LateCommit, ListingLag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.reconcile import Finding
    from tests.core.mill import Mill
    from tests.support.awsiot import Fault

pytestmark = pytest.mark.anyio

ISSUE = "CreateCertificateFromCsr"
ISSUED = [
    Drop(after=True),
    Drop(after=True, reset=True),
    Fail("InternalFailureException", after=True),
    Hang(after=True),
    LateCommit(),
]
NOT_ISSUED = [
    Drop(),
    Drop(reset=True),
    Fail("InternalFailureException"),
    Fail("ServiceUnavailableException"),
    Hang(),
]


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a call that hangs time out at once."""
    monkeypatch.setattr(client, "READ_SECONDS", 0.5)


@pytest.mark.parametrize("fault", ISSUED, ids=str)
async def test_a_certificate_whose_answer_was_lost_is_adopted(mill: Mill, fault: Fault) -> None:
    """It was issued though nobody heard of it: it is found by its key, bundled, and no second one is asked for."""
    mill.double.faults.script(ISSUE, fault, subject="two")
    await mill.run("one\ntwo\nthree\n")
    for name in ("one", "two", "three"):
        [certificate] = mill.certificates(name)
        assert mill.bundled(name) == certificate.pem
        assert mill.issues(name) == 1
        assert mill.state(name) is State.DONE


@pytest.mark.parametrize("fault", NOT_ISSUED, ids=str)
async def test_it_is_asked_again_only_when_nothing_was_issued(mill: Mill, fault: Fault) -> None:
    """When two looks find nothing the request is made again, and one certificate is there in the end."""
    mill.double.faults.script(ISSUE, fault)
    await mill.run()
    [certificate] = mill.certificates("one")
    assert mill.bundled("one") == certificate.pem
    assert mill.issues() == 2
    second = mill.double.journal.find(ISSUE)[1]
    looks = [call for call in mill.double.journal.find("ListCertificates") if call.started < second.started]
    assert len(looks) == 2


async def test_a_server_that_never_answers_fails_the_device_in_the_end(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After as many requests as any call may be repeated the device fails, and nothing is left in doubt."""
    monkeypatch.setattr(issuance, "MOST_RETRIES", 2)
    mill.double.faults.script(ISSUE, Fail("ServiceUnavailableException"), times=None)
    await mill.run()
    entry = mill.entry("one")
    assert entry.error is not None
    assert (entry.error.step, entry.error.code) == (4, "ServiceUnavailableException")
    assert entry.state is State.KEYED
    assert mill.issues() == 3
    mill.double.faults.clear()
    await mill.run()
    assert len(mill.certificates("one")) == 1


async def test_a_list_that_lags_does_not_lead_to_a_second_certificate(mill: Mill) -> None:
    """A certificate that the first look does not show yet is found by the second one."""
    mill.double.account.store.lag = ListingLag(calls=1)
    mill.double.faults.script(ISSUE, Drop(after=True))
    await mill.run()
    assert (mill.issues(), len(mill.certificates("one"))) == (1, 1)
    assert mill.double.journal.count("ListCertificates") == 2


async def test_doubts_share_their_looks(mill: Mill) -> None:
    """Thirty lost answers are settled together, not with a list of the account for each."""
    names = [f"thing-{number:02}" for number in range(30)]
    mill.double.faults.script(ISSUE, Drop(after=True), times=30)
    await mill.run("\n".join(names))
    assert [len(mill.certificates(name)) for name in names] == [1] * 30
    assert mill.issues() == 30
    assert mill.double.journal.count("ListCertificates") < 15


async def test_a_run_that_was_stopped_in_doubt_settles_it_first_when_resumed(mill: Mill) -> None:
    """A doubt outlives the process: the resumed run looks before it asks, and adopts what it finds."""
    run = mill.prepare()

    def stop_at_the_look(operation: str, _: Mapping[str, object]) -> None:
        if operation == "ListCertificates":
            run.request_stop()

    mill.double.faults.script(ISSUE, Drop(after=True))
    mill.double.account.store.lag = ListingLag(calls=1)
    mill.double.on_request = stop_at_the_look
    with pytest.raises(InterruptedRunError):
        await mill.finish(run)
    assert mill.state("one") is State.REQUESTED
    mill.double.on_request = None
    await mill.run()
    [certificate] = mill.certificates("one")
    assert mill.bundled("one") == certificate.pem
    assert mill.issues() == 1


async def test_of_two_certificates_for_one_key_one_is_kept(mill: Mill) -> None:
    """However a second one came about, the newest is adopted and the other set inactive and deleted."""

    def issue_another(operation: str, params: Mapping[str, object]) -> None:
        if operation == ISSUE:
            mill.double.account.store.issue(str(params["certificateSigningRequest"]), active=True)

    mill.double.on_request = issue_another
    mill.double.faults.script(ISSUE, Drop(after=True))
    await mill.run()
    [certificate] = mill.certificates("one")
    assert mill.bundled("one") == certificate.pem
    assert mill.double.journal.count("DeleteCertificate", outcome="ok") == 1


async def in_doubt(mill: Mill) -> None:
    """Leave a run in doubt about ``one``, whose certificate was issued, and ``two``, whose was not."""
    run = mill.prepare("one\ntwo\n")

    async def stop_at_the_look(operation: str, _: Mapping[str, object]) -> None:
        if operation == "ListCertificates":
            await mill.double.until(lambda: mill.double.journal.count(ISSUE, outcome="dropped") == 2)
            run.request_stop()

    mill.double.faults.script(ISSUE, Drop(after=True), subject="one")
    mill.double.faults.script(ISSUE, Drop(), subject="two")
    mill.double.account.store.lag = ListingLag(calls=1)
    mill.double.on_request = stop_at_the_look
    with pytest.raises(InterruptedRunError):
        await mill.finish(run)
    mill.double.on_request = None


@pytest.mark.parametrize("dry_run", [True, False])
async def test_doubts_can_be_settled_alone(mill: Mill, dry_run: bool) -> None:
    """Reconciling tells what was issued and what was not; a dry run changes neither account nor ledger."""
    await in_doubt(mill)
    findings: list[Finding] = []
    changes = mill.double.journal.mutating_calls
    async with registry_of(mill) as registry, Ledger(mill.folder.ledger) as ledger:
        await Reconciler(registry, ledger, Meter(), Stop(), 0.0).settle_all(findings.append, dry_run=dry_run)
    [certificate] = mill.certificates("one")
    assert sorted((finding.thing_name, finding.certificate_id) for finding in findings) == [
        ("one", certificate.certificate_id),
        ("two", None),
    ]
    assert mill.double.journal.mutating_calls == changes
    expected = (State.REQUESTED, State.REQUESTED) if dry_run else (State.ISSUED, State.KEYED)
    assert (mill.state("one"), mill.state("two")) == expected
