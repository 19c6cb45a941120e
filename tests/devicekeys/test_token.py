"""Keys that never leave a token: provisioned beside keys that are made here, and connected by the token itself."""

from __future__ import annotations

import csv
import json
import os
import stat
from typing import TYPE_CHECKING

import anyio
import pkcs11
import pytest

from pipeline.local import embedded
from tests.devicekeys.conftest import CLEAR, HELD, SEALED
from tests.devicekeys.gnutls import ACCEPTED, NOT_AUTHORIZED, connection
from tests.e2e.command import DEVICE_POLICY, snapshot

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.devicekeys.conftest import Line
    from tests.devicekeys.gnutls import MqttDevice

pytestmark = pytest.mark.xdist_group("embedded")

PRIVATE = (b"PRIVATE KEY", b"BEGIN AGE")


def test_the_keys_are_in_the_token_for_good(line: Line) -> None:
    """The token says of each key that it was made inside, is sensitive and was never extractable, and keeps it."""
    attribute = pkcs11.Attribute
    for name, key_type in HELD.items():
        key = line.token.private_key(name)
        assert key[attribute.LOCAL]
        assert key[attribute.ALWAYS_SENSITIVE]
        assert key[attribute.NEVER_EXTRACTABLE]
        secret = attribute.PRIVATE_EXPONENT if key_type.startswith("rsa") else attribute.VALUE
        with pytest.raises(pkcs11.AttributeSensitive):
            key[secret]


def test_a_bundle_holds_no_key_and_says_so(line: Line) -> None:
    """No file of such a device is a key, and its config.json names none; the others have theirs, 0400."""
    for name in HELD:
        files = {path.name: path for path in line.bundle(name).iterdir()}
        assert set(files) == {f"{name}.csr", f"{name}.pem", "root-ca.pem", "config.json"}
        assert not any(word in path.read_bytes() for path in files.values() for word in PRIVATE)
        assert "key" not in json.loads(files["config.json"].read_bytes())
        assert files[f"{name}.csr"].read_text() == (line.csrs / f"{name}.csr").read_text()
    for name in CLEAR:
        key = line.bundle(name) / f"{name}.key"
        assert (stat.S_IMODE(key.stat().st_mode), key.read_bytes()[:27]) == (0o400, b"-----BEGIN PRIVATE KEY-----")
    for name in SEALED:
        key = line.bundle(name) / f"{name}.key.age"
        assert (stat.S_IMODE(key.stat().st_mode), key.read_bytes()[:21]) == (0o400, b"age-encryption.org/v1")
        assert not (line.bundle(name) / f"{name}.key").exists()


def test_the_summary_says_who_holds_each_key(line: Line) -> None:
    """summary.csv has it for each device, and summary.json in numbers."""
    with (line.root / "summary.csv").open(newline="") as file:
        told = {row["thing_name"]: (row["outcome"], row["key_held_by"]) for row in csv.DictReader(file)}
    assert told == dict.fromkeys(HELD, ("done", "device")) | dict.fromkeys([*CLEAR, *SEALED], ("done", "station"))
    assert line.workplace.summary("line")["keys_held_by"] == {"station": 40, "device": 20}


def test_all_are_verified_and_those_connect_whose_key_is_here(line: Line) -> None:
    """Offline and on the account every device is in order; forty connect, half of them by an identity."""
    identity = ("--identity", str(line.holder.identity))
    told = line.workplace.run("verify", "line", "--local", "--remote", "--connect", *identity).stdout
    assert "offline  60 of 60 in order" in told
    assert "remote   60 of 60 in order" in told
    assert "connect  40 of 40 connected" in told
    assert "own key  20: nobody but the device can connect with it" in told


def test_each_device_connects_with_the_key_in_its_token(line: Line, tmp_path: Path) -> None:
    """A TLS client that signs with the token and has the bundle is let in and may publish, as itself only."""

    async def together() -> None:
        async with embedded(line.workplace.output / ".local") as aws:
            await anyio.to_thread.run_sync(devices, aws.mqtt_host, aws.mqtt_port)

    def devices(host: str, port: int) -> None:
        for name in HELD:
            with open_as(name, host, port) as device:
                assert device.connect(name) == ACCEPTED
                assert device.publish(f"things/{name}/proof", b"from the token") == ACCEPTED
        with open_as("chip-01", host, port) as device:
            assert device.connect("chip-02") == NOT_AUTHORIZED

    def open_as(name: str, host: str, port: int) -> AbstractContextManager[MqttDevice]:
        token = line.token
        return connection(
            line.bundle(name),
            host,
            port,
            key_url=token.url(name),
            module=token.module,
            environment=os.environ | token.environment,
            log=tmp_path / f"{name}.log",
        )

    anyio.run(together)


def test_the_run_goes_on_with_its_csrs_only(line: Line) -> None:
    """The same command again changes nothing; without the folder of CSRs it is refused, and no key is made."""
    command = ("run", line.manifest, "--local", "--key", "rsa-4096", "--policy", DEVICE_POLICY, "--quiet")
    before = snapshot(line.root)
    line.workplace.run(*command, "--csr-dir", str(line.csrs))
    assert snapshot(line.root) == before
    refused = line.workplace.run(*command, expect=4)
    assert "CSR folder was given and is now not given" in refused.stderr
    assert sorted(path.stem for path in line.root.rglob("*.key")) == CLEAR
