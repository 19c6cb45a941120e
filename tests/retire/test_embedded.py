"""Devices rotated, half of them seen and retired, with connections over MQTT tried at each stage."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline import mqtt
from pipeline.aws.quotas import DEFAULTS
from pipeline.layout import RunFolder
from pipeline.local import embedded
from pipeline.mqtt import ProofError
from tests.e2e.command import DEVICE_POLICY, Workplace
from tests.support.thorough import sampled

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("ministack", reason="needs the extra `local`")
pytestmark = pytest.mark.xdist_group("embedded")

AT_ONCE = 8
REFUSED = {"ConnectionClosed", "NotAuthorized", "TLSFailed"}
"""The server's own refusals; anything else is a fault of the test's surroundings."""


def connecting(output: Path, run: str, fleet: list[str]) -> set[str]:
    """Return those of a fleet that can connect and publish with the bundles of a run."""
    folder, found = RunFolder(output / run), set[str]()
    places = anyio.Semaphore(AT_ONCE)

    async def one(name: str, port: int) -> None:
        async with places:
            try:
                await mqtt.prove(replace(mqtt.read_bundle(folder.bundle(name)), port=port))
            except ProofError as error:
                if error.code not in REFUSED:
                    raise
            else:
                found.add(name)

    async def all_of_them() -> None:
        async with embedded(output / ".local") as aws, anyio.create_task_group() as group:
            for name in fleet:
                group.start_soon(one, name, aws.mqtt_port)

    anyio.run(all_of_them)
    return found


def verdicts(output: Path, seen: list[str]) -> str:
    """Return what ``verify --connect --json`` tells of the devices that were seen."""
    rows = (output / "new" / "summary.csv").read_text(encoding="utf-8").splitlines()
    columns = rows[0].split(",")
    cells = (dict(zip(columns, row.split(","), strict=True)) for row in rows[1:])
    identities = {cell["thing_name"]: cell["certificate_id"] for cell in cells}
    lines = ({"thing_name": name, "certificate_id": identities[name], "connected": True} for name in seen)
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.mark.parametrize("size", sampled([16, 50], lambda size: size == 16))
def test_a_rotated_fleet_keeps_connecting_and_old_ones_go_from_those_seen(tmp_path: Path, size: int) -> None:
    """Old and new connect until retire; then the seen connect with the new one alone, and the others with both."""
    workplace = Workplace(tmp_path / "output")
    fleet = [f"pump-{number:02}" for number in range(size)]
    seen = fleet[::2]
    manifest = workplace.manifest("fleet.txt", "\n".join(fleet))
    fast = [f"--quota={api}=50000" for api in DEFAULTS]
    options = ("--local", "--key", "ec-p256", "--policy", DEVICE_POLICY, *fast)
    workplace.run("run", manifest, *options, "--name", "old")
    workplace.run("run", manifest, *options, "--name", "new", "--existing", "rotate")
    everybody = set(fleet)
    assert connecting(workplace.output, "old", fleet) == everybody
    assert connecting(workplace.output, "new", fleet) == everybody

    result = workplace.run(
        "retire", "new", "--local", "--seen", "-", "--yes", *fast, stdin=verdicts(workplace.output, seen)
    )
    told = f"{len(seen)} devices retired, {len(seen)} certificates taken away; 0 left, 0 failed"
    assert told in result.stdout
    assert connecting(workplace.output, "new", fleet) == everybody
    assert connecting(workplace.output, "old", fleet) == everybody - set(seen)
