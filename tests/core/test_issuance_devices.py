"""What a run makes of devices: on the account, in their bundles, and in what it sends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pipeline import workshop
from pipeline.aws.limiter import Budget
from pipeline.bundles.roots import amazon_roots
from pipeline.device import State
from pipeline.errors import InterruptedRunError, RefusedError
from tests.core.mill import POLICY
from tests.support.awsiot import Fail
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.core.mill import Mill

pytestmark = pytest.mark.anyio


async def test_every_device_is_done_with_one_active_certificate(mill: Mill) -> None:
    """Forty devices at once each get one thing, one certificate, one policy and the bundle that fits."""
    names = [f"thing-{number:02}" for number in range(40)]
    run = await mill.run("\n".join(names))
    assert run.summary is not None
    assert run.summary.outcomes == {"done": 40, "failed": 0, "skipped": 0, "open": 0, "revoked": 0}
    assert set(mill.double.account.registry.things) == set(names)
    for name in names:
        [certificate] = mill.certificates(name)
        assert (certificate.status, certificate.things, certificate.policies) == ("ACTIVE", [name], [POLICY])
        assert mill.bundled(name) == certificate.pem
    assert list(mill.folder.staging.iterdir()) == []


async def test_a_thing_gets_its_type_attributes_and_groups(mill: Mill) -> None:
    """What the row says of a thing is what the registry has, by CreateThing alone."""
    registry = mill.double.account.registry
    registry.create_type("Pump", {})
    registry.create_billing_group("spares", {})
    for group in ("hall-a", "pilot"):
        registry.create_group(group, None, {})
    rows = "name,thing_type,groups,billing_group,serial\none,Pump,hall-a;pilot,spares,SN1\n"
    await mill.run(rows, suffix=".csv")
    thing = registry.things["one"]
    assert (thing.thing_type, thing.attributes, thing.billing_group) == ("Pump", {"serial": "SN1"}, "spares")
    assert thing.groups == ["hall-a", "pilot"]
    assert mill.double.journal.count("AddThingToBillingGroup") == 0


async def test_the_bundle_tells_a_device_where_to_connect(mill: Mill) -> None:
    """config.json names the account's ATS endpoint, the thing and the files, and the roots are Amazon's."""
    await mill.run()
    folder = mill.folder.bundle("one")
    assert json.loads((folder / "config.json").read_text(encoding="ascii")) == {
        "endpoint": "a1b2c3d4e5f6g7-ats.iot.eu-west-1.amazonaws.com",
        "port": 8883,
        "thing-name": "one",
        "cert": "one.pem",
        "key": "one.key",
        "root-ca": "root-ca.pem",
    }
    assert (folder / "root-ca.pem").read_text(encoding="ascii") == amazon_roots()


async def test_a_device_that_keeps_its_key_has_its_own_csr_certified(mill: Mill) -> None:
    """With a CSR in the row no key is made, and the bundle holds none and names none."""
    csr = make_csr("one")
    row = json.dumps({"thing_name": "one", "csr": csr.pem})
    await mill.run(row + "\n", suffix=".jsonl")
    folder = mill.folder.bundle("one")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "one.csr", "one.pem", "root-ca.pem"]
    assert "key" not in json.loads((folder / "config.json").read_text(encoding="ascii"))
    [certificate] = mill.certificates("one")
    assert certificate.spki == csr.spki_sha256
    assert mill.bundled("one") == certificate.pem


async def test_inactive_certificates_stay_inactive(mill: Mill) -> None:
    """With --inactive a certificate is made inactive and nothing makes it active."""
    await mill.run(inactive=True)
    assert [certificate.status for certificate in mill.certificates("one")] == ["INACTIVE"]
    assert mill.double.journal.count("UpdateCertificate") == 0


async def test_a_row_without_a_policy_gets_none(mill: Mill) -> None:
    """Where nothing names a policy the device is done without one."""
    await mill.run(policy=None)
    assert mill.state("one") is State.DONE
    assert mill.double.journal.count("AttachPolicy") == 0


async def test_the_rate_is_paid_once_a_device(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """--rate is a budget of devices per second, of which each device takes one."""
    budgets: list[Budget] = []

    class Watched(Budget):
        def __init__(self, grant: float) -> None:
            super().__init__(grant)
            budgets.append(self)

    monkeypatch.setattr(workshop, "Budget", Watched)
    await mill.run("one\ntwo\nthree\n", rate=250.0)
    assert [(budget.grant, budget.calls) for budget in budgets] == [(250.0, 3)]


async def test_one_failing_device_stops_no_other(mill: Mill) -> None:
    """A device that AWS IoT refuses fails alone, and its next run goes on at the step that failed."""
    mill.double.faults.script("AttachThingPrincipal", Fail("InvalidRequestException"), subject="two")
    run = await mill.run("one\ntwo\nthree\n")
    assert run.summary is not None
    assert run.summary.outcomes == {"done": 2, "failed": 1, "skipped": 0, "open": 0, "revoked": 0}
    error = mill.entry("two").error
    assert error is not None
    assert (error.step, error.code) == (7, "InvalidRequestException")
    assert error.advice

    before = len(mill.double.journal.calls)
    await mill.run("one\ntwo\nthree\n")
    again = [call.operation for call in mill.double.journal.calls[before:] if call.subject == "two"]
    assert again == ["AttachThingPrincipal", "AttachPolicy"]
    assert [mill.issues(name) for name in ("one", "two", "three")] == [1, 1, 1]


async def test_throttles_alone_fail_no_device(mill: Mill) -> None:
    """Throttles in a row, also of the one call that is not idempotent, only make a device wait."""
    for operation in ("CreateCertificateFromCsr", "AttachPolicy"):
        mill.double.faults.script(operation, Fail("ThrottlingException"), times=3)
    run = await mill.run("one\ntwo\n")
    assert run.summary is not None
    assert run.summary.outcomes["done"] == 2
    assert run.summary.usage.throttles == {"CreateCertificateFromCsr": 3, "AttachPolicy": 3}
    assert [len(mill.certificates(name)) for name in ("one", "two")] == [1, 1]


async def test_a_denied_operation_stops_the_run_and_fails_no_device(mill: Mill) -> None:
    """When AWS denies what all devices need, the run ends with what to do, and the devices go on afterwards."""
    mill.double.faults.deny("CreateCertificateFromCsr")
    with pytest.raises(RefusedError, match="AccessDeniedException") as caught:
        await mill.run("one\ntwo\nthree\n")
    assert "IAM policy" in caught.value.advice
    assert {mill.state(name) for name in ("one", "two", "three")} <= {State.PLANNED, State.KEYED}
    assert [mill.code(name) for name in ("one", "two", "three")] == [None] * 3
    mill.double.faults.clear()
    await mill.run("one\ntwo\nthree\n")
    assert [len(mill.certificates(name)) for name in ("one", "two", "three")] == [1, 1, 1]


async def test_a_stopped_run_records_what_is_in_flight(mill: Mill) -> None:
    """Asked to stop while a certificate is being issued, the run takes it in, and the next run ends the work."""
    run = mill.prepare("one\ntwo\nthree\n")

    def hook(operation: str, _: Mapping[str, object]) -> None:
        if operation == "CreateCertificateFromCsr" and not run.stop.requested:
            run.request_stop()

    mill.double.on_request = hook
    with pytest.raises(InterruptedRunError):
        await mill.finish(run)
    issued = [name for name in ("one", "two", "three") if mill.certificates(name)]
    assert issued
    for name in issued:
        certificate = mill.entry(name).certificate
        assert certificate is not None
        assert [found.certificate_id for found in mill.certificates(name)] == [certificate.certificate_id]
    assert run.summary is not None
    assert run.summary.outcomes["open"] > 0

    await mill.run("one\ntwo\nthree\n")
    assert [mill.issues(name) for name in ("one", "two", "three")] == [1, 1, 1]


async def test_a_key_that_vanished_is_never_replaced_silently(mill: Mill) -> None:
    """A device whose key is gone before its certificate was asked for fails, and nothing is asked for."""
    mill.double.faults.deny("CreateCertificateFromCsr")
    with pytest.raises(RefusedError):
        await mill.run()
    mill.double.faults.clear()
    (mill.folder.staged("one") / "one.key").unlink()
    asked = mill.issues()
    await mill.run()
    assert mill.code("one") == "KeyLost"
    assert mill.issues() == asked
