"""``greengrass``: a YAML parser finds the documented keys, with what the installer needs under each."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.bundles import greengrass
from tests.bundles.devices import (
    AMAZON,
    KEY_TYPES,
    ODD_NAMES,
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

    from pipeline.bundles.parts import Endpoint, Parts
    from pipeline.settings import KeyType

yaml = importlib.import_module("yaml")  # it brings no types


def config(parts: Parts) -> Any:  # noqa: ANN401  whatever the file holds
    return yaml.safe_load(plain(greengrass.contents(parts))["config.yaml"])


def test_the_configuration_has_the_documented_keys() -> None:
    """Only what thingmill cannot know is missing, and there is nothing that Greengrass does not know."""
    assert config(parts_of()) == {
        "system": {
            "certificateFilePath": "/greengrass/v2/device.pem.crt",
            "privateKeyPath": "/greengrass/v2/private.pem.key",
            "rootCaPath": "/greengrass/v2/AmazonRootCA1.pem",
            "rootpath": "/greengrass/v2",
            "thingName": "pump-001",
        },
        "services": {
            "aws.greengrass.Nucleus": {
                "componentType": "NUCLEUS",
                "configuration": {
                    "awsRegion": "eu-central-1",
                    "iotDataEndpoint": AMAZON.host,
                    "mqtt": {"port": 8883},
                },
            }
        },
    }


def test_what_is_not_known_is_said() -> None:
    """Role alias and credentials endpoint are lines to be filled in, and parse once they are."""
    text = plain(greengrass.contents(parts_of()))["config.yaml"].decode("ascii")
    assert "Not known to thingmill" in text
    for key in ("iotRoleAlias", "iotCredEndpoint"):
        assert f"      #{key}: " in text
    filled = yaml.safe_load(text.replace("#iotRoleAlias: the", "iotRoleAlias: the"))
    assert "iotRoleAlias" in filled["services"]["aws.greengrass.Nucleus"]["configuration"]


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("endpoint", [AMAZON, emulated()], ids=["AWS", "emulator"])
def test_every_path_is_a_file_beside_it_that_openssl_reads(
    tmp_path: Path, key_type: KeyType, endpoint: Endpoint
) -> None:
    """Certificate and key belong together, and the file of roots has all of them."""
    needs("openssl")
    parts = parts_of(key_type=key_type, endpoint=endpoint)
    folder = lay(tmp_path / "v2", greengrass.contents(parts))
    paths = {key: path.rpartition("/")[2] for key, path in config(parts)["system"].items() if key.endswith("Path")}
    assert set(paths.values()) | {"config.yaml"} == {path.name for path in folder.iterdir()}
    public = tool("openssl", "pkey", "-in", paths["privateKeyPath"], "-pubout", folder=folder)
    certificate = paths["certificateFilePath"]
    assert tool("openssl", "x509", "-in", certificate, "-noout", "-pubkey", folder=folder) == public
    assert (folder / paths["rootCaPath"]).read_text(encoding="ascii") == endpoint.roots


def test_a_key_on_the_device_is_asked_for() -> None:
    """Without a key here there is no path to one, but a line that says what to give."""
    parts = keeping_its_key()
    assert "privateKeyPath" not in config(parts)["system"]
    assert b'#privateKeyPath: "pkcs11:' in plain(greengrass.contents(parts))["config.yaml"]


def test_an_encrypted_key_has_its_path_for_when_it_is_decrypted() -> None:
    """The path stays the one of the guide, the file beside it has its suffix, and a line says so."""
    parts = encrypted(parts_of(), ".age")
    contents = plain(greengrass.contents(parts))
    assert contents["private.pem.key.age"] == clear_key(parts)
    assert config(parts)["system"]["privateKeyPath"] == "/greengrass/v2/private.pem.key"
    assert b"# Encrypted as private.pem.key.age" in contents["config.yaml"]


@pytest.mark.parametrize("name", [*ODD_NAMES, "0x10", "1e5", "null", "yes", "12:30:45"])
def test_a_name_is_text_to_yaml(name: str) -> None:
    """A name that YAML would take for a number, a time or nothing comes back as it was."""
    assert config(parts_of(name))["system"]["thingName"] == name
