"""Bundles connect where they are told to, no more at once and no faster than asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pipeline import mqtt
from pipeline.codes import ProofCode
from pipeline.errors import UsageError
from pipeline.mqtt import ProofError
from pipeline.verify import Checks, Connector
from tests.verify.inspecting import NAMES, OWN, found, verify_now

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.mqtt import BundleFiles


class Broker:
    """Stands in for the proofs: notes each, and lets all that are under way end together."""

    def __init__(self, refused: str = "") -> None:
        self.refused = refused
        self.proofs: list[tuple[BundleFiles, str | None]] = []
        self.strangers: list[str] = []
        self.under_way = self.most = 0

    async def prove(self, bundle: BundleFiles, *, topic: str | None, limiter: anyio.CapacityLimiter) -> None:
        self.proofs.append((bundle, topic))
        async with limiter:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            await anyio.wait_all_tasks_blocked()
            self.under_way -= 1
        if bundle.thing_name == self.refused:
            raise ProofError(
                ProofCode.NOT_AUTHORIZED, "the server refused to connect", advice="look at the policy"
            )

    async def prove_refused(self, bundle: BundleFiles, *, limiter: anyio.CapacityLimiter) -> str:
        assert limiter.total_tokens > 0
        self.strangers.append(bundle.thing_name)
        if self.refused == "nobody":
            raise ProofError(ProofCode.LET_IN, f"{bundle.thing_name} was let in under another client id")
        return "not authorized"


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    stand_in = Broker()
    monkeypatch.setattr(mqtt, "prove", stand_in.prove)
    monkeypatch.setattr(mqtt, "prove_refused", stand_in.prove_refused)
    return stand_in


def connecting(root: Path, **options: Any) -> Any:  # noqa: ANN401  what ``verify_now`` returns, or its error
    async def play() -> Any:  # noqa: ANN401  as above
        connector = Connector(**({"concurrency": 2, "rate": 10_000.0} | options))
        return await verify_now(root, Checks(connector=connector))

    return anyio.run(play)


def test_every_bundle_with_a_key_connects_and_no_other(root: Path, broker: Broker) -> None:
    """A device that keeps its own key is said to do so, and it is no failure."""
    verdicts, remarks = connecting(root)
    assert {bundle.thing_name for bundle, _ in broker.proofs} == set(NAMES)
    assert {verdict.thing_name: (verdict.ok, verdict.connected, verdict.keeps_key) for verdict in verdicts} == {
        **dict.fromkeys(NAMES, (True, True, False)),
        OWN: (True, None, True),
    }
    assert remarks.refused_as_another.endswith("not authorized")
    assert broker.most <= 2


def test_port_and_topic_are_those_that_were_asked_for(root: Path, broker: Broker) -> None:
    """The port goes before the bundle's own, and the topic has the thing's name in it."""
    connecting(root, port=443, topic="plant/{thing}/up/{thing}")
    assert {(bundle.port, topic) for bundle, topic in broker.proofs} == {
        (443, f"plant/{name}/up/{name}") for name in NAMES
    }
    broker.proofs.clear()
    connecting(root)
    assert {(bundle.port, topic) for bundle, topic in broker.proofs} == {(8883, None)}


def test_a_bundle_that_is_not_in_order_does_not_connect(root: Path, broker: Broker) -> None:
    """What is known to be broken is not tried."""
    (root / "devices" / "two" / "two.key").chmod(0o644)
    connecting(root)
    assert {bundle.thing_name for bundle, _ in broker.proofs} == {"one", "three"}


def test_a_refused_connection_is_the_devices_problem(root: Path, broker: Broker) -> None:
    """It is named with its code and what to do, and nobody is tried under another name then."""
    broker.refused = "two"
    verdicts, remarks = connecting(root)
    [finding] = [finding for verdict in verdicts for finding in verdict.findings]
    assert (finding.check.value, finding.code) == ("connect", "NotAuthorized")
    assert finding.message == "the server refused to connect; look at the policy"
    assert [verdict.thing_name for verdict in verdicts if not verdict.ok] == ["two"]
    assert (remarks.refused_as_another, broker.strangers) == ("", [])


def test_a_policy_that_lets_a_device_in_under_another_name_is_found(root: Path, broker: Broker) -> None:
    """It is a problem of the run as a whole."""
    broker.refused = "nobody"
    verdicts, _ = connecting(root)
    assert [finding.code for verdict in verdicts for finding in verdict.findings] == ["LetIn"]
    assert [verdict.thing_name for verdict in verdicts if not verdict.ok] == [None]


def test_each_connection_is_paid_from_the_rate(root: Path, broker: Broker) -> None:
    """Proofs and the one under another name alike."""

    async def play() -> int:
        connector = Connector(2, 10_000.0)
        await verify_now(root, Checks(connector=connector))
        return connector._budget.calls

    assert anyio.run(play) == len(broker.proofs) + len(broker.strangers) == len(NAMES) + 1


def test_a_topic_with_a_wildcard_connects_nobody(root: Path, broker: Broker) -> None:
    """It is refused before the first connection."""
    with pytest.raises(UsageError, match="wildcard"):
        connecting(root, topic="things/#")
    assert broker.proofs == []
    assert found(root) == {}
