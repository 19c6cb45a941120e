"""``device-client``: its configuration is JSON with the documented keys, and names the files beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.bundles import device_client
from tests.bundles.devices import (
    AMAZON,
    KEY_TYPES,
    clear_key,
    emulated,
    encrypted,
    keeping_its_key,
    lay,
    parts_of,
    plain,
    tool,
)
from tests.support.tools import needs

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.bundles.parts import Parts
    from pipeline.settings import KeyType


def config(parts: Parts) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(plain(device_client.contents(parts))["aws-iot-device-client.conf"])
    return found


def test_the_configuration_has_the_documented_keys() -> None:
    """There are the client's four mandatory keys and root-ca, and no other: the client has its own defaults."""
    assert config(parts_of()) == {
        "endpoint": AMAZON.host,
        "cert": "device.pem.crt",
        "key": "private.pem.key",
        "root-ca": "AmazonRootCA1.pem",
        "thing-name": "pump-001",
    }


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_every_file_that_is_named_is_there_and_openssl_reads_it(tmp_path: Path, key_type: KeyType) -> None:
    """Certificate and key belong together, and nothing lies there that is not named."""
    needs("openssl")
    parts = parts_of(key_type=key_type, endpoint=emulated())
    folder = lay(tmp_path / "files", device_client.contents(parts))
    told = config(parts)
    named = {told["cert"], told["key"], told["root-ca"]}
    assert {path.name for path in folder.iterdir()} == named | {"aws-iot-device-client.conf"}
    public = tool("openssl", "pkey", "-in", told["key"], "-pubout", folder=folder)
    assert tool("openssl", "x509", "-in", told["cert"], "-noout", "-pubkey", folder=folder) == public
    tool("openssl", "verify", "-CAfile", told["root-ca"], told["cert"], folder=folder)


def test_without_a_key_here_none_is_named() -> None:
    """A device that keeps its key is configured for its secure element on the device."""
    assert "key" not in config(keeping_its_key())


def test_an_encrypted_key_is_named_as_it_will_be() -> None:
    """The configuration names the key that is decrypted on the device, and the file has its suffix."""
    parts = encrypted(parts_of(), ".age")
    assert config(parts)["key"] == "private.pem.key"
    assert plain(device_client.contents(parts))["private.pem.key.age"] == clear_key(parts)
