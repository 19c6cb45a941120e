"""Fifty devices rotated, half of them seen and retired, with connections over MQTT tried at each stage."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline import mqtt
from pipeline.layout import RunFolder
from pipeline.local import embedded
from pipeline.mqtt import ProofError
from tests.e2e.command import DEVICE_POLICY, Workplace

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("ministack", reason="needs the extra `local`")
pytestmark = pytest.mark.xdist_group("embedded")

FLEET = [f"pump-{number:02}" for number in range(50)]
SEEN = FLEET[::2]
AT_ONCE = 8
REFUSED = {"ConnectionClosed", "NotAuthorized", "TLSFailed"}
"""The server's own refusals; anything else is a fault of the test's surroundings."""


def connecting(output: Path, run: str) -> set[str]:
    """Return the devices that can connect and publish with the bundles of a run."""
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
            for name in FLEET:
                group.start_soon(one, name, aws.mqtt_port)

    anyio.run(all_of_them)
    return found


def verdicts(output: Path) -> str:
    """Return what ``verify --connect --json`` tells of the devices that were seen."""
    rows = (output / "new" / "summary.csv").read_text(encoding="utf-8").splitlines()
    columns = rows[0].split(",")
    cells = (dict(zip(columns, row.split(","), strict=True)) for row in rows[1:])
    identities = {cell["thing_name"]: cell["certificate_id"] for cell in cells}
    lines = ({"thing_name": name, "certificate_id": identities[name], "connected": True} for name in SEEN)
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_a_rotated_fleet_keeps_connecting_and_old_ones_go_from_those_seen(tmp_path: Path) -> None:
    """Old and new connect until retire; then the seen connect with the new one alone, and the others with both."""
    workplace = Workplace(tmp_path / "output")
    manifest = workplace.manifest("fleet.txt", "\n".join(FLEET))
    options = ("--local", "--key", "ec-p256", "--policy", DEVICE_POLICY)
    workplace.run("run", manifest, *options, "--name", "old")
    workplace.run("run", manifest, *options, "--name", "new", "--existing", "rotate")
    everybody = set(FLEET)
    assert connecting(workplace.output, "old") == everybody
    assert connecting(workplace.output, "new") == everybody

    result = workplace.run("retire", "new", "--local", "--seen", "-", "--yes", stdin=verdicts(workplace.output))
    assert "25 devices retired, 25 certificates taken away; 0 left, 0 failed" in result.stdout
    assert connecting(workplace.output, "new") == everybody
    assert connecting(workplace.output, "old") == everybody - set(SEEN)
