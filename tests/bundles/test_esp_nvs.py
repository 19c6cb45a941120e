"""``--format esp-nvs``: a CSV that Espressif's generator takes, and the partition that it makes of it."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipeline.bundles import esp_nvs
from pipeline.bundles.parts import Endpoint
from pipeline.cli.options import resolve
from pipeline.errors import DeviceError, UsageError
from pipeline.secret import Secret
from pipeline.settings import KeyType
from tests.bundles.devices import (
    AMAZON,
    ODD_NAMES,
    clear_key,
    encrypted,
    keeping_its_key,
    lay,
    local_root,
    parts_of,
    plain,
    tool,
)
from tests.bundles.nvs import read_partition
from tests.core.mill import Mill

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.bundles.parts import Parts
    from tests.support.awsiot import AwsIotDouble

GENERATE = (sys.executable, "-m", "esp_idf_nvs_partition_gen", "generate")

DEVICES = ("rsa-4096", "rsa-2048", "ec-p256", "own key")


@pytest.fixture(scope="module", params=DEVICES)
def parts(request: pytest.FixtureRequest) -> Parts:
    """A device of each kind; the key of the largest takes a while to make."""
    return keeping_its_key() if request.param == "own key" else parts_of(key_type=KeyType(request.param))


def keys_below(folder: Path) -> list[Path]:
    return list(folder.rglob("*.key"))


def image_of(parts: Parts) -> bytes:
    return plain(esp_nvs.contents(parts))[f"{parts.device.thing_name}.nvs.bin"]


def test_the_generator_makes_the_very_same_partition_of_the_csv(parts: Parts, tmp_path: Path) -> None:
    """Espressif's command, run on our CSV, ends well and writes what we made in memory, to the bit."""
    made = esp_nvs.contents(parts)
    folder = lay(tmp_path / "esp-nvs", made)
    tool(*GENERATE, str(folder / "pump-001.nvs.csv"), "theirs.bin", hex(esp_nvs.SMALLEST), folder=tmp_path)
    assert (tmp_path / "theirs.bin").read_bytes() == plain(made)["pump-001.nvs.bin"]


def test_the_partition_holds_what_the_device_is_given(parts: Parts) -> None:
    """Read by NVS's documented layout, checksums too, it has each file's bytes, and no key unless one is ours."""
    expected: dict[str, bytes | int] = {
        "node_id": b"pump-001",
        "mqtt_host": AMAZON.host.encode(),
        "mqtt_port": 8883,
        "ca_cert": AMAZON.roots.encode(),
        "client_cert": parts.certificate.pem.encode(),
    }
    if parts.key is not None:
        expected["client_key"] = clear_key(parts)
    image = image_of(parts)
    assert read_partition(image) == {"rmaker_creds": expected}
    assert len(image) == esp_nvs.SMALLEST


def test_what_holds_a_key_is_secret(parts: Parts) -> None:
    """Both files hold the key, so both are 0400; those of a device that keeps its own are not."""
    kinds = {type(data) for data in esp_nvs.contents(parts).values()}
    assert kinds == ({bytes} if parts.key is None else {Secret})


def test_the_same_device_gives_the_same_bytes(parts: Parts) -> None:
    """A resumed run finds on disk what it would write."""
    assert plain(esp_nvs.contents(parts)) == plain(esp_nvs.contents(parts))


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_is_written_as_it_is(name: str) -> None:
    """Names that look like options, files or numbers are node ids like any other."""
    [values] = read_partition(image_of(parts_of(name))).values()
    assert values["node_id"] == name.encode()


def test_each_entry_is_a_line_and_its_name_short() -> None:
    """What edits lines cannot break PEM in the CSV, and no key name is longer than NVS takes."""
    text = plain(esp_nvs.contents(parts_of()))["pump-001.nvs.csv"].decode("ascii")
    header, *rows = csv.reader(text.splitlines())
    assert header == ["key", "type", "encoding", "value"]
    assert len(rows) == text.count("\n") - 1 == 7
    assert all(len(row) == 4 and 0 < len(row[0]) <= 15 for row in rows)


def test_an_emulators_root_and_port_are_written_too() -> None:
    """The device finds whatever endpoint the run was for."""
    made = parts_of(endpoint=Endpoint("localhost", 18883, local_root()))
    values = read_partition(image_of(made))["rmaker_creds"]
    assert (values["mqtt_host"], values["mqtt_port"]) == (b"localhost", 18883)
    assert values["ca_cert"] == local_root().encode()


def test_a_partition_grows_by_pages_until_everything_fits(tmp_path: Path) -> None:
    """It is no larger than it must be: the generator makes it of the CSV in that size, and in no smaller one."""
    made = parts_of(endpoint=replace(AMAZON, roots=AMAZON.roots * 5))
    image = image_of(made)
    assert len(image) == 0x7000
    assert read_partition(image)["rmaker_creds"]["ca_cert"] == made.endpoint.roots.encode()
    folder = lay(tmp_path / "esp-nvs", esp_nvs.contents(made))
    table = str(folder / "pump-001.nvs.csv")
    tool(*GENERATE, table, "theirs.bin", "0x7000", folder=tmp_path)
    assert (tmp_path / "theirs.bin").read_bytes() == image
    with pytest.raises(AssertionError, match="increase the size"):
        tool(*GENERATE, table, "small.bin", "0x6000", folder=tmp_path)


def test_what_goes_into_no_partition_is_the_devices_failure() -> None:
    """It is said which device and why, and the others go on."""
    made = parts_of(endpoint=replace(AMAZON, roots=AMAZON.roots * 20))
    with pytest.raises(DeviceError, match=r"pump-001 .* 65,536 bytes") as caught:
        esp_nvs.contents(made)
    assert caught.value.code == "TooLarge"


def test_an_encrypted_key_is_refused() -> None:
    """A device cannot use one, so none is put into a partition."""
    with pytest.raises(DeviceError, match="encrypted"):
        esp_nvs.contents(encrypted(parts_of(), ".age"))


def test_without_the_generator_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named, with the command that brings it."""
    monkeypatch.setitem(sys.modules, "esp_idf_nvs_partition_gen", None)
    with pytest.raises(UsageError, match="esp-nvs needs the extra `esp`") as caught:
        esp_nvs.contents(parts_of())
    assert caught.value.advice == "pip install 'thingmill[esp]'"


@pytest.mark.anyio
async def test_a_run_without_the_generator_does_nothing(
    double: AwsIotDouble,
    tmp_path: Path,
    aws_keys: None,  # noqa: ARG001  a client wants keys
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The format is refused up front: no thing, no key, no certificate."""
    monkeypatch.setitem(sys.modules, "esp_idf_nvs_partition_gen", None)
    mill = Mill(double, tmp_path)
    formats = resolve("line.csv", {"format": ["esp-nvs"]}, {}).formats
    with pytest.raises(UsageError, match="extra `esp`"):
        await mill.run(formats=formats)
    assert mill.issues() == 0
    assert double.journal.count("CreateThing") == 0
    assert keys_below(tmp_path) == []
