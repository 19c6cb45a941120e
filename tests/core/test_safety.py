"""What keeps a run from doing harm: it stops when all fail alike, and uses no strange key and no open endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline import lanes
from pipeline.breaker import MOST_ALIKE, Breaker
from pipeline.bundles.roots import amazon_roots
from pipeline.device import State
from pipeline.errors import DeviceError, InterruptedRunError, RefusedError, UsageError
from pipeline.settings import Access
from tests.support.awsiot import Fail, Spoil, Wrong

if TYPE_CHECKING:
    from tests.core.mill import Mill

pytestmark = pytest.mark.anyio

ISSUE = "CreateCertificateFromCsr"


async def test_a_run_whose_devices_all_fail_alike_stops_early(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that signs the wrong key costs some twenty certificates, not one for every device."""
    monkeypatch.setattr(lanes, "LANES", 4)
    mill.double.faults.script(ISSUE, Spoil(Wrong.OTHER_KEY), times=None)
    with pytest.raises(RefusedError, match=f"{MOST_ALIKE} devices in a row failed at step 5") as caught:
        await mill.run("\n".join(f"thing-{number:03}" for number in range(200)))
    assert "another key" in caught.value.message
    assert mill.issues() <= MOST_ALIKE + 4
    assert not mill.double.account.store.certificates


def test_failures_that_differ_or_have_successes_between_them_stop_nothing() -> None:
    """Only one reason, in a row, and from the request on, is taken for everybody's."""
    breaker = Breaker()
    for number in range(5 * MOST_ALIKE):
        assert breaker.failed(DeviceError(5, f"Code{number % 2}", "why")) is None
    for _ in range(3):
        for _ in range(MOST_ALIKE - 1):
            assert breaker.failed(DeviceError(7, "Same", "why")) is None
        breaker.succeeded()
    for _ in range(5 * MOST_ALIKE):
        assert breaker.failed(DeviceError(1, "ThingHasCertificate", "why")) is None


async def test_a_thing_may_be_named_like_the_roots(mill: Mill) -> None:
    """A thing called root-ca has its certificate and its roots, in files of different names."""
    await mill.run("root-ca\n")
    folder = mill.folder.bundle("root-ca")
    [certificate] = mill.certificates("root-ca")
    assert mill.bundled("root-ca") == certificate.pem
    assert (folder / "amazon-root-ca.pem").read_text(encoding="ascii") == amazon_roots()
    assert "amazon-root-ca.pem" in (folder / "config.json").read_text(encoding="ascii")


@pytest.mark.parametrize("damage", ["gone", "another", "empty", "open"])
async def test_a_key_that_is_not_the_one_that_was_made_is_never_certified(mill: Mill, damage: str) -> None:
    """When the key on disk was changed before its certificate is asked for, nothing is asked for."""
    # The run stops with its devices keyed, as it would at a Ctrl-C.
    mill.double.faults.deny(ISSUE)
    with pytest.raises(RefusedError):
        await mill.run("one\ntwo\n")
    mill.double.faults.clear()
    asked = mill.issues("one")
    assert mill.state("one") is State.KEYED
    path, other = (mill.folder.staged(name) / f"{name}.key" for name in ("one", "two"))
    content = other.read_bytes() if other.exists() else b"-"
    if damage == "open":
        path.chmod(0o644)
    else:
        path.unlink()
    if damage in ("another", "empty"):
        path.write_bytes(content if damage == "another" else b"")
        path.chmod(0o400)
    await mill.run("one\ntwo\n")
    assert mill.code("one") in ("KeyLost", "StrangeKey")
    assert mill.issues("one") == asked
    assert mill.certificates("one") == []
    assert not mill.folder.bundle("one").exists()
    assert mill.code("two") is None


async def test_calls_never_go_to_another_machine_in_clear(mill: Mill) -> None:
    """An endpoint without TLS is refused unless it is on this machine, before anything is sent."""
    run = mill.prepare(access=Access(region="eu-west-1", endpoint_url="http://198.51.100.7:4566"))
    with pytest.raises(UsageError, match="not encrypted"):
        await mill.finish(run)
    assert not mill.folder.root.exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("admin:hunter2@127.0.0.1:4566", "has a user or a password in it"),
        ("http:/admin:hunter2@127.0.0.1:4566", "has a user or a password in it"),
        ("https://admin:hunter2@iot.example.com", "has a user or a password in it"),
        ("http://127.0.0.1:99999", "is no address"),
        ("http://[::1", "is no address"),
    ],
)
async def test_an_endpoint_with_a_mistake_shows_no_password(mill: Mill, url: str, said: str) -> None:
    """However an address was mistyped, its password stands in no message, and nothing is sent."""
    with pytest.raises(UsageError, match=said) as refused:
        await mill.finish(mill.prepare(access=Access(region="eu-west-1", endpoint_url=url)))
    assert "hunter2" not in refused.value.message + refused.value.advice
    assert not mill.folder.root.exists()


@pytest.mark.parametrize("service", ["IOT", "STS", "SERVICE_QUOTAS", "IAM"])
async def test_no_endpoint_of_the_environment_is_used_in_clear(
    mill: Mill, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    """The environment may name an endpoint for each service: none gets a call without TLS, IAM's neither."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", mill.double.url)
    monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", "http://127.0.0.2:9")
    with pytest.raises(UsageError, match=r"127\.0\.0\.2:9 is not encrypted"):
        await mill.finish(mill.prepare(access=Access(region="eu-west-1")))


async def test_a_stop_while_waiting_for_the_quota_leaves_no_doubt(mill: Mill) -> None:
    """Who had committed the intent and was not yet let through is put back: nothing of theirs was sent."""
    names = "\n".join(f"thing-{number:02}" for number in range(12))
    slow = Access(None, "eu-west-1", mill.double.url, mill.access.quotas | {ISSUE: 0.5})
    run = mill.prepare(names, access=slow)

    def look(operation: str, _params: object) -> None:
        if operation == ISSUE:
            run.request_stop()

    mill.double.on_request = look
    with pytest.raises(InterruptedRunError):
        await mill.finish(run)
    states = {mill.state(name) for name in names.split()}
    assert State.REQUESTED not in states
    assert mill.issues() == 1


async def test_a_policy_that_is_gone_stops_the_run_and_fails_nobody(mill: Mill) -> None:
    """AttachPolicy that finds no policy is the run's affair."""
    mill.double.faults.script("AttachPolicy", Fail("ResourceNotFoundException", 404), times=None)
    mill.double.account.policies.pop("device")
    with pytest.raises(RefusedError):
        await mill.run("one\n")
