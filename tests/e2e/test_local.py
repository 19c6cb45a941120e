"""Runs against the embedded AWS IoT, by the command line, as somebody meets the tool first."""

from __future__ import annotations

import json
import shutil
import stat
from typing import TYPE_CHECKING

import anyio
import pytest
from aiobotocore.session import get_session

from pipeline.aws.quotas import DEFAULTS
from pipeline.local import embedded
from tests.e2e.command import DEVICE_POLICY, MANIFESTS, Workplace, openssl, snapshot
from tests.support.thorough import sampled

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("ministack", reason="needs the extra `local`")

OPENSSL = pytest.mark.skipif(shutil.which("openssl") is None, reason="asks openssl for a second opinion")
DEMO = (
    "run",
    f"{MANIFESTS}/demo.csv",
    "--local",
    "--key",
    "ec-p256",
    "--policy",
    DEVICE_POLICY,
    "--create-missing",
)
FAST = [f"--quota={api}=50000" for api in DEFAULTS]
"""Quotas that nobody waits for."""
OPTIONS = ("--local", "--key", "ec-p256", "--policy", DEVICE_POLICY)

# Each of these runs takes seconds: with pytest-xdist they are best kept in one process (--dist loadgroup).
pytestmark = pytest.mark.xdist_group("embedded")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The demo manifest, provisioned."""
    workplace = Workplace(tmp_path_factory.mktemp("demo") / "output")
    workplace.run("run", str(MANIFESTS / "demo.csv"), *OPTIONS, "--create-missing")
    return workplace


@pytest.fixture(scope="module", params=sampled([60, 300], lambda size: size == 60))
def size(request: pytest.FixtureRequest) -> int:
    """How many devices the fleet has."""
    return int(request.param)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, size: int) -> Workplace:
    """So many devices, provisioned."""
    workplace = Workplace(tmp_path_factory.mktemp("fleet") / "output")
    names = (f"fleet-{number:04}" for number in range(size))
    workplace.run("run", workplace.manifest("fleet.txt", "\n".join(names)), *OPTIONS, *FAST)
    return workplace


def certificates(output: Path) -> list[tuple[str, str]]:
    """Return the id and status of every certificate that the embedded AWS IoT of an output folder has."""

    async def ask() -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        async with embedded(output / ".local") as aws:
            client = get_session().create_client(
                "iot",
                endpoint_url=aws.endpoint_url,
                region_name=aws.region,
                aws_access_key_id=aws.environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=aws.environment["AWS_SECRET_ACCESS_KEY"],
            )
            async with client as iot:
                async for page in iot.get_paginator("list_certificates").paginate():
                    found += [(entry["certificateId"], entry["status"]) for entry in page["certificates"]]
        return found

    return anyio.run(ask)


def test_the_demo_leaves_a_whole_bundle_for_every_device(demo: Workplace) -> None:
    """Twenty-five of twenty-five are done, and each folder holds what a device needs, for its owner alone."""
    assert demo.summary("demo")["outcomes"] == {"done": 25, "failed": 0, "skipped": 0, "open": 0, "revoked": 0}
    run = demo.output / "demo"
    folders = sorted((run / "devices").iterdir())
    assert [folder.name for folder in folders] == [f"TestThing{number:03}" for number in range(1, 26)]
    for folder in folders:
        name = folder.name
        expected = ["config.json", "root-ca.pem", *(f"{name}.{suffix}" for suffix in ("csr", "key", "pem"))]
        assert sorted(path.name for path in folder.iterdir()) == sorted(expected)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / f"{name}.key").stat().st_mode) == 0o400
        config = json.loads((folder / "config.json").read_text(encoding="ascii"))
        assert (config["thing-name"], config["endpoint"]) == (name, "localhost")
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    assert list((run / "staging").iterdir()) == []
    assert not (run / "failed.csv").exists()


@OPENSSL
def test_openssl_agrees_with_every_bundle(demo: Workplace) -> None:
    """Key, CSR and certificate have one public key, the CSR's signature holds, and the CN is the thing's name."""
    folders = list((demo.output / "demo" / "devices").iterdir())
    assert len(folders) == 25
    for folder in folders:
        key, csr, pem = (str(folder / f"{folder.name}.{suffix}") for suffix in ("key", "csr", "pem"))
        public = openssl("pkey", "-in", key, "-pubout")
        assert public.startswith("-----BEGIN PUBLIC KEY-----")
        assert openssl("x509", "-in", pem, "-noout", "-pubkey") == public
        assert openssl("req", "-in", csr, "-noout", "-pubkey", "-verify") == public
        name = openssl("x509", "-in", pem, "-noout", "-subject", "-nameopt", "multiline")
        assert name.split() == ["subject=", "commonName", "=", folder.name]


def test_every_bundle_connects(demo: Workplace) -> None:
    """Verify proves each bundle over MQTT, and that it is refused under another device's name."""
    result = demo.run("verify", "demo", "--local", "--connect")
    assert "25 of 25 bundles verified and connected" in result.stdout
    assert "is refused under another client id" in result.stdout


def test_verify_tells_which_bundle_is_damaged(demo: Workplace, tmp_path: Path) -> None:
    """A key that others may read, a certificate of another device and a missing file are each told by name."""
    shutil.copytree(demo.output / "demo", tmp_path / "demo")
    devices = tmp_path / "demo" / "devices"
    (devices / "TestThing001" / "TestThing001.key").chmod(0o444)
    (devices / "TestThing002" / "TestThing002.pem").write_bytes(
        (devices / "TestThing003" / "TestThing003.pem").read_bytes()
    )
    (devices / "TestThing004" / "TestThing004.csr").unlink()
    (devices / "TestThing005").chmod(0o755)
    result = Workplace(tmp_path).run("verify", "demo", expect=1)
    told = dict(line.split(": ", 1) for line in result.stdout.splitlines() if line.startswith("TestThing"))
    assert set(told) == {"TestThing001", "TestThing002", "TestThing004", "TestThing005"}
    assert "0400" in told["TestThing001"]
    assert "does not belong to its key: it is a certificate for TestThing003" in told["TestThing002"]
    assert "missing" in told["TestThing004"]
    assert "0700" in told["TestThing005"]
    assert "21 of 25 bundles verified" in result.stdout


@OPENSSL
def test_an_rsa_4096_device_goes_all_the_way(workplace: Workplace) -> None:
    """The default key is RSA with 4096 bits, and its bundle is as good as any."""
    manifest = workplace.manifest("heavy.txt", "heavy-001\n")
    workplace.run("run", manifest, "--local", "--policy", DEVICE_POLICY)
    folder = workplace.output / "heavy" / "devices" / "heavy-001"
    key, pem = str(folder / "heavy-001.key"), str(folder / "heavy-001.pem")
    assert "(4096 bit" in openssl("pkey", "-in", key, "-noout", "-text")
    assert openssl("x509", "-in", pem, "-noout", "-pubkey") == openssl("pkey", "-in", key, "-pubout")
    assert workplace.summary("heavy")["key_type"] == "rsa-4096"


def test_a_fleet_has_exactly_one_certificate_a_device(fleet: Workplace, size: int) -> None:
    """So many devices have so many certificates on the server: those in their bundles, and active."""
    assert fleet.summary("fleet")["outcomes"]["done"] == size
    rows = (fleet.output / "fleet" / "summary.csv").read_text(encoding="utf-8").splitlines()
    column = rows[0].split(",").index("certificate_id")
    bundled = {row.split(",")[column] for row in rows[1:]}
    assert len(bundled) == size
    found = certificates(fleet.output)
    assert len(found) == size
    assert {identity for identity, _ in found} == bundled
    assert {status for _, status in found} == {"ACTIVE"}


def test_a_finished_run_again_touches_neither_server_nor_disk(fleet: Workplace, size: int) -> None:
    """The same command again makes no call, starts no server and leaves every byte and every time of change."""
    before = snapshot(fleet.output)
    state = fleet.output / ".local"
    hidden = state.rename(fleet.output.parent / "hidden")
    try:
        # Without its state a server that was started would make a new folder; with a call it would fail.
        result = fleet.run("run", str(fleet.output.parent / "fleet.txt"), *OPTIONS)
        assert not state.exists()
    finally:
        hidden.rename(state)
    assert snapshot(fleet.output) == before
    assert str(size) in result.stdout
