"""What a look for a lost certificate makes of a registry that lags, pages oddly, or holds what is not ours."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

import pytest

from pipeline.aws.failures import CallError
from pipeline.aws.registry import Listed
from pipeline.device import Device, State
from pipeline.ledger import Ledger
from pipeline.meter import Meter
from pipeline.reconcile import Reconciler
from pipeline.stop import Stop
from tests.core.rosters import roster_of
from tests.support.csrs import make_csr
from tests.test_keys import issue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pipeline.aws.registry import Registry
    from pipeline.device import Certificate, Issued

pytestmark = pytest.mark.anyio

CSR = make_csr("one")


class OddRegistry:
    """A registry that answers what a test says, page by page."""

    def __init__(self) -> None:
        self.pages: list[tuple[list[Listed], str | None]] = [([], None)]
        self.known: dict[str, Issued] = {}
        self.unseen = 0
        self.things: dict[str, list[str]] = {}
        self.policies: dict[str, list[str]] = {}
        self.deleted: list[str] = []
        self.recorded: list[tuple[str, str]] = []

    def record(self, what: str, *, certificate: str, common_name: str) -> None:
        assert common_name
        self.recorded.append((what, certificate))

    def patient(self) -> OddRegistry:
        return self

    def hold(self, issued: Issued, created_at: float | None = None) -> Listed:
        self.known[issued.certificate_id] = issued
        return Listed(issued.certificate_id, time.time() if created_at is None else created_at)

    async def list_certificates(self, marker: str | None) -> tuple[list[Listed], str | None]:
        return self.pages[int(marker or 0)]

    async def describe_certificate(self, certificate_id: str) -> Issued | None:
        if self.unseen:
            self.unseen -= 1
            return None
        return self.known.get(certificate_id)

    async def list_principal_things(self, arn: str) -> list[str]:
        return self.things.get(arn, [])

    async def list_attached_policies(self, arn: str) -> list[str]:
        return self.policies.get(arn, [])

    async def deactivate_certificate(self, certificate_id: str) -> None:
        assert certificate_id in self.known

    async def delete_certificate(self, certificate_id: str) -> None:
        self.deleted.append(certificate_id)


@pytest.fixture
def registry() -> OddRegistry:
    return OddRegistry()


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    """A ledger whose one device has asked for its certificate."""
    with roster_of([Device("one", 1, "one")]) as roster:
        async with Ledger(tmp_path / "ledger.db") as ledger:
            await ledger.enrol(roster.path)
            await ledger.planned(1, created=True)
            await ledger.keyed(1, CSR.spki_sha256)
            await ledger.requested(1)
            yield ledger


async def settle(ledger: Ledger, registry: OddRegistry) -> Certificate | None:
    reconciler = Reconciler(cast("Registry", registry), ledger, Meter(), Stop(), 0.05)
    return await reconciler.settle(1, CSR.spki_sha256, "one")


def fresh() -> Issued:
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    now = datetime.now(UTC)
    return issue(CSR.pem, begins=now - timedelta(minutes=1), ends=now + timedelta(days=1))


async def test_an_empty_page_is_not_the_last_one(ledger: Ledger, registry: OddRegistry) -> None:
    """A page without certificates but with a marker is gone past; what lies behind it is found."""
    issued = fresh()
    registry.pages = [([], "1"), ([registry.hold(issued)], None)]
    found = await settle(ledger, registry)
    assert found is not None
    assert found.certificate_id == issued.certificate_id


async def test_pages_that_never_end_leave_the_doubt(ledger: Ledger, registry: OddRegistry) -> None:
    """A marker that leads to itself ends the look with an error, and nothing is taken as not issued."""
    registry.pages = [([], "0")]
    with pytest.raises(CallError, match="do not end"):
        await settle(ledger, registry)
    assert [entry.state for entry in ledger.read.entries()] == [State.REQUESTED]


async def test_what_is_listed_but_not_yet_shown_is_looked_at_again(ledger: Ledger, registry: OddRegistry) -> None:
    """A certificate that cannot be described for a while is no proof that none was issued."""
    issued = fresh()
    registry.pages = [([registry.hold(issued)], None)]
    registry.unseen = 3
    found = await settle(ledger, registry)
    assert found is not None
    assert found.certificate_id == issued.certificate_id


@pytest.mark.parametrize("use", ["things", "policies"])
async def test_a_certificate_of_the_same_key_that_is_in_use_is_left_alone(
    ledger: Ledger, registry: OddRegistry, use: str
) -> None:
    """What has a thing or a policy is somebody else's: it is neither adopted nor taken away."""
    theirs = fresh()
    getattr(registry, use)[theirs.certificate_arn] = ["theirs"]
    registry.pages = [([registry.hold(theirs)], None)]
    assert await settle(ledger, registry) is None
    ours = fresh()
    registry.pages = [([registry.hold(theirs), registry.hold(ours)], None)]
    found = await settle(ledger, registry)
    assert found is not None
    assert found.certificate_id == ours.certificate_id
    assert registry.deleted == []


async def test_a_second_certificate_of_the_same_request_is_deleted(ledger: Ledger, registry: OddRegistry) -> None:
    """Of two that are ours the first in the list is adopted, and the other does not stay."""
    newer, older = fresh(), fresh()
    registry.pages = [([registry.hold(newer), registry.hold(older)], None)]
    found = await settle(ledger, registry)
    assert found is not None
    assert found.certificate_id == newer.certificate_id
    assert registry.deleted == [older.certificate_id]


async def test_what_is_older_than_the_request_is_not_its_answer(ledger: Ledger, registry: OddRegistry) -> None:
    """A certificate from well before the request is not even described."""
    old = fresh()
    registry.pages = [([registry.hold(old, time.time() - 3600)], None)]
    del registry.known[old.certificate_id]
    assert await settle(ledger, registry) is None
