"""Devices that bring a CSR, by the command line: AWS's own bulk lines, a folder, and what is said beforehand."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.command import MANIFESTS, openssl
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.command import Workplace

SAID = "one device brings a CSR; 2 keys are made here"


@pytest.fixture
def mixed(tmp_path: Path) -> str:
    """A TOML manifest of three things, with a folder beside it that has a CSR for the first."""
    (tmp_path / "lot").mkdir()
    (tmp_path / "lot" / "csrs").mkdir()
    (tmp_path / "lot" / "csrs" / "a.csr").write_text(make_csr("a").pem, encoding="ascii")
    (tmp_path / "lot" / "things.txt").write_text("a\nb\nc\n", encoding="utf-8")
    manifest = tmp_path / "lot" / "lot.toml"
    manifest.write_text('things = "things.txt"\n[run]\nkey = "ec-p256"\ncsr-dir = "csrs"\n', encoding="utf-8")
    return str(manifest)


def test_bulk_registration_lines_run_as_they_are(account: Workplace) -> None:
    """What AWS bulk registration takes is provisioned: no key is made, and each certificate fits its CSR."""
    account.run("run", str(MANIFESTS / "bulk-registration.jsonl"), "--quiet")
    root = account.output / "bulk-registration"
    assert account.summary("bulk-registration")["keys_held_by"] == {"station": 0, "device": 3}
    assert not list(root.rglob("*.key"))
    for line in (MANIFESTS / "bulk-registration.jsonl").read_text().splitlines():
        name = json.loads(line)["ThingName"]
        bundle = root / "devices" / name
        asked = openssl("req", "-in", str(bundle / f"{name}.csr"), "-noout", "-pubkey")
        assert openssl("x509", "-in", str(bundle / f"{name}.pem"), "-noout", "-pubkey") == asked
    assert "3 of 3 bundles verified" in account.run("verify", "bulk-registration").stdout


def test_a_bulk_line_whose_csr_has_another_name(account: Workplace) -> None:
    """It is refused with the cure named, and the same line with that common_name is provisioned."""
    line = {"ThingName": "valve-7", "SerialNumber": "7", "CSR": make_csr("VX-7").pem}
    refused = account.run("run", account.manifest("bulk.jsonl", json.dumps(line)), expect=2)
    assert "the CSR's common name is 'VX-7', but must be 'valve-7'" in refused.stderr
    assert "give it as the row's common_name" in refused.stderr
    assert not (account.output / "bulk").exists()
    account.run("run", account.manifest("bulk.jsonl", json.dumps(line | {"common_name": "VX-7"})), "--quiet")
    assert account.summary("bulk")["outcomes"]["done"] == 1


def test_a_folder_under_run_is_beside_its_manifest(account: Workplace, mixed: str) -> None:
    """csr-dir in a TOML manifest is relative to it, so the command works from anywhere; two keys are made here."""
    account.run("run", mixed, "--quiet")
    root = account.output / "lot"
    assert sorted(path.stem for path in root.rglob("*.key")) == ["b", "c"]
    assert "key" not in json.loads((root / "devices" / "a" / "config.json").read_text())


def test_the_folder_of_the_command_line_wins(workplace: Workplace, mixed: str, tmp_path: Path) -> None:
    """--csr-dir takes the place of csr-dir, and a file in it that no row names is a fault with its own name."""
    shutil.copytree(tmp_path / "lot" / "csrs", tmp_path / "other")
    (tmp_path / "other" / "d.csr").write_text(make_csr("d").pem, encoding="ascii")
    told = workplace.run("check", mixed, "--csr-dir", str(tmp_path / "other"), expect=2).stdout
    assert told == f"{tmp_path}/other/d.csr:1:1: no row names the thing 'd'; rename or remove the file\n"


def test_it_is_said_beforehand_where_the_keys_are(account: Workplace, mixed: str) -> None:
    """check, plan and a dry run say how many devices bring a CSR and how many keys are made here, also as JSON."""
    assert SAID in account.run("check", mixed).stdout.splitlines()
    assert SAID in account.run("run", mixed, "--dry-run").stdout.splitlines()
    checked = json.loads(account.run("check", mixed, "--json").stdout)
    assert (checked["things"], checked["csrs"], checked["keys"]) == (3, 1, 2)


def test_a_plan_counts_the_keys_that_are_made_here(mixed: str) -> None:
    """A device that brings a CSR takes every call, and no key; where all do there is nothing to time."""
    told = planned(mixed)
    assert (told["devices"], told["csrs"], told["keys"]) == (3, 1, 2)
    counts = {stage["name"]: stage["count"] for stage in told["stages"]}
    assert (counts["key generation"], counts["CreateCertificateFromCsr"]) == (2, 3)
    told = planned(str(MANIFESTS / "bulk-registration.jsonl"))
    assert (told["devices"], told["csrs"], told["keys"]) == (3, 3, 0)
    assert "key generation" not in {stage["name"] for stage in told["stages"]}


def planned(manifest: str) -> dict[str, Any]:
    """Return a plan as JSON, with the default quotas."""
    command = [sys.executable, "-W", "error", "-m", "pipeline", "plan", manifest, "--offline", "--json"]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    return found
