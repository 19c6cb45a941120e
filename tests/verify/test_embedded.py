"""Devices of the embedded AWS IoT, by the command line: proved, then broken on the account and found."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pipeline.aws.quotas import DEFAULTS
from pipeline.aws.session import open_registry
from pipeline.local import embedded
from pipeline.settings import Access
from pipeline.sightings import Connection, read
from pipeline.stop import Stop
from tests.e2e.command import DEVICE_POLICY, Workplace, snapshot
from tests.support.thorough import sampled
from tests.verify.inspecting import entry_of

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.device import Certificate

pytest.importorskip("ministack", reason="needs the extra `local`")
pytestmark = pytest.mark.xdist_group("embedded")

FAST = [f"--quota={api}=1000" for api in DEFAULTS]
EVERYTHING = ("--local", "--remote", "--connect", "--connect-rate", "500", *FAST)


@pytest.fixture(scope="module", params=sampled([48, 100], lambda size: size == 48))
def names(request: pytest.FixtureRequest) -> list[str]:
    """The devices of the fleet."""
    return [f"fleet-{number:03}" for number in range(request.param)]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> Workplace:
    """Devices in a group, provisioned."""
    workplace = Workplace(tmp_path_factory.mktemp("verified") / "output")
    manifest = workplace.manifest("fleet.txt", "\n".join(names))
    options = ("--key", "ec-p256", "--policy", DEVICE_POLICY, "--group", "line-7", "--create-missing", "--quiet")
    workplace.run("run", manifest, "--local", *options, *FAST)
    return workplace


def certificate_of(root: Path, name: str) -> Certificate:
    certificate = entry_of(root, name).certificate
    assert certificate is not None
    return certificate


def lines_of(text: str) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in text.splitlines()]
    return {line.get("thing_name") or line["event"]: line for line in lines}


def test_a_fleet_is_verified_and_then_two_are_found(fleet: Workplace, names: list[str], tmp_path: Path) -> None:
    """All are in order on disk, on the account and over MQTT; a lost policy and a dead certificate are named."""
    root = fleet.output / "fleet"
    before = snapshot(root)
    good = fleet.run("verify", "fleet", *EVERYTHING, "--json").stdout
    lines = lines_of(good)
    counts = lines.pop("summary")
    assert set(lines) == set(names)
    assert all(line["ok"] and line["connected"] for line in lines.values())
    assert {name: check["looked"] for name, check in counts["checks"].items()} == dict.fromkeys(
        ("offline", "audit", "remote", "connect"), len(names)
    )
    assert "Not authorized" in counts["refused_as_another"]
    seen = tmp_path / "seen.jsonl"
    seen.write_text(good, encoding="utf-8")
    with seen.open("rb") as stream:
        connections = {
            line.thing_name: line.certificate_id for line in read(stream) if isinstance(line, Connection)
        }
    assert connections == {name: certificate_of(root, name).certificate_id for name in names}

    anyio.run(break_two, fleet.output)
    told = lines_of(fleet.run("verify", "fleet", *EVERYTHING, "--json", expect=1).stdout)
    assert told.pop("summary")["ok"] == len(names) - 2
    codes = {
        name: [problem["code"] for problem in line["problems"]] for name, line in told.items() if not line["ok"]
    }
    assert codes == {
        "fleet-007": ["PolicyMissing", "NotAuthorized"],
        "fleet-042": ["NotActive", "ConnectionClosed"],
    }
    assert not told["fleet-007"]["connected"]
    assert snapshot(root) == before


async def break_two(output: Path) -> None:
    """Take one device's policy, and set another's certificate inactive, behind the run's back."""
    root = output / "fleet"
    async with AsyncExitStack() as stack:
        aws = await stack.enter_async_context(embedded(output / ".local"))
        registry, _ = await open_registry(stack, Access(), aws, Stop(), connections=2)
        seventh = certificate_of(root, "fleet-007").arn
        for policy in await registry.list_attached_policies(seventh):
            await registry.detach_policy(policy, seventh)
        await registry.deactivate_certificate(certificate_of(root, "fleet-042").certificate_id)


def test_a_message_goes_to_the_topic_that_was_asked_for(fleet: Workplace) -> None:
    """A topic with the thing's own name is allowed by its policy, and one that is not is the device's problem."""
    chosen = ("--local", "--connect", "--device", "fleet-001", "--device", "fleet-002", "--topic")
    told = fleet.run("verify", "fleet", *chosen, "things/{thing}/status").stdout
    assert "2 of 2 bundles verified and connected" in told
    told = fleet.run("verify", "fleet", *chosen, "things/fleet-001/status", expect=1).stdout
    assert "fleet-002: the server refused a message to things/fleet-001/status" in told
    assert "1 of 2 bundles verified and connected" in told
