"""The manifests that are shipped read as their comments and the documentation say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipeline.errors import ManifestError
from pipeline.manifest import load, run_settings
from pipeline.settings import Defaults
from tests.manifest.manifest_reading import devices_in

_MANIFESTS = Path(__file__).parents[2] / "manifests"

_FAULTS = """\
faulty.csv:1:66: columns 'serial_number' and 'Serial-Number' differ only by case, '_', '-' or spaces; \
keep or rename one of them
faulty.csv:3:1: thing name 'pump 002' holds ' ' at character 5; a thing name has 1 to 128 of a-z A-Z 0-9 \
: _ -
faulty.csv:4:10: thing type 'Pump Mk2' holds ' ' at character 5; a thing type has 1 to 128 of a-z A-Z 0-9 \
: _ -
faulty.csv:5:15: group name 'hall b' holds ' ' at character 5; a group name has 1 to 128 of a-z A-Z 0-9 : \
_ -
faulty.csv:6:15: group 'hall-a' is named twice
faulty.csv:7:15: the row names 11 groups; a thing belongs to at most 10
faulty.csv:8:24: attribute 'serial_number': attribute value 'SN 7' holds ' ' at character 3; an attribute \
value has up to 800 of a-z A-Z 0-9 _ . , @ / : # = [ ] -
faulty.csv:9:29: attribute 'site': attribute value 'Zürich' holds 'ü' (U+00FC) at character 2; an \
attribute value has up to 800 of a-z A-Z 0-9 _ . , @ / : # = [ ] -
faulty.csv:10:1: thing name 'pump-001' is on line 2 already
faulty.csv:11:1: thing name 'PUMP-003' differs from 'pump-003' on line 4 only by case, and would share \
its folder on some disks
faulty.csv:12:1: thing name 'press-hall-2-north-bay-hydraulic-unit-with-a-name-that-no-one-ca…' has 71 \
characters, and a certificate's common name has at most 64; add a common_name column with a shorter one
faulty.csv:13:22: common name 'pump-012.a-plant-with-a-domain-name-that-is-far-too-long.iot.exa…' has 68 \
characters; a common name has 1 to 64 (X.509)
faulty.csv:14:23: the CSR 'csr/pump-013.csr' cannot be read: No such file or directory
faulty.csv:15:21: the row has 3 cells, the header 8; it ends before 'common_name'
faulty.csv:16:36: the row has 9 cells, the header 8; the extra ones begin here
faulty.csv:17:1: thing name is empty; a thing name has 1 to 128 of a-z A-Z 0-9 : _ -
faulty.csv:18:23: text follows the closing quote; a quote inside a quoted cell is written ""
faulty.csv:19:23: the CSR 'not a PEM block' cannot be read: No such file or directory
faulty.csv:20:23: the CSR's common name is 'press-004', but must be 'pump-019'; if that is what the \
certificate shall say, give it as the row's common_name
"""


def test_demo() -> None:
    """The demo has 25 things of three types in three groups, some of them in two."""
    devices = devices_in(_MANIFESTS / "demo.csv")
    assert [device.thing_name for device in devices] == [f"TestThing{number:03}" for number in range(1, 26)]
    assert len({device.thing_type for device in devices}) == 3
    assert len({group for device in devices for group in device.groups}) == 3
    assert {len(device.groups) for device in devices} == {1, 2}
    assert all(set(device.attributes) == {"serial_number", "hw_rev", "line"} for device in devices)


@pytest.mark.parametrize(
    ("name", "count"),
    [("things.txt", 10), ("things.tsv", 6), ("things.jsonl", 4), ("line-7.toml", 8), ("gateways.toml", 3)],
)
def test_formats(name: str, count: int) -> None:
    """There is an example of every format, and all of them are sound."""
    assert len(devices_in(_MANIFESTS / name, Defaults(thing_type="t"))) == count


def test_example_with_a_csr() -> None:
    """One example device brings its own CSR."""
    assert [device.csr is not None for device in devices_in(_MANIFESTS / "things.jsonl")].count(True) == 1


def test_example_of_bulk_registration() -> None:
    """Lines as AWS bulk registration takes them, with its three keys, are devices that keep their own key."""
    path = _MANIFESTS / "bulk-registration.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(set(line) == {"ThingName", "SerialNumber", "CSR"} for line in lines)
    devices = devices_in(path)
    assert [(device.thing_name, device.attributes, device.csr) for device in devices] == [
        (line["ThingName"], {"SerialNumber": line["SerialNumber"]}, line["CSR"]) for line in lines
    ]


def test_example_settings() -> None:
    """The line's settings are read from the TOML manifest, the things from the CSV file beside it."""
    settings = run_settings(str(_MANIFESTS / "line-7.toml"))
    assert settings["policy"] == "line-7-device"
    assert settings["group"] == ["line-7", "acceptance"]


def test_faulty() -> None:
    """Each fault of the faulty example is named with its file, line, column and a sentence that helps."""
    with pytest.raises(ManifestError) as caught:
        load(str(_MANIFESTS / "faulty.csv"), Defaults())
    found = [str(fault).removeprefix(f"{_MANIFESTS}/") for fault in caught.value.faults]
    assert found == _FAULTS.splitlines()
    assert caught.value.total == len(found)


def test_device_policy() -> None:
    """The example policy fits AWS IoT's limit and gives each device its own client id and topics only."""
    text = (_MANIFESTS / "device-policy.json").read_text()
    policy = json.loads(text)
    assert len(re.sub(r"\s", "", text)) <= 2048
    assert policy["Version"] == "2012-10-17"
    thing = "${iot:Connection.Thing.ThingName}"
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        assert thing in statement["Resource"]
        assert "*" not in str(statement["Action"])
    connect = next(statement for statement in policy["Statement"] if statement["Action"] == "iot:Connect")
    assert connect["Resource"] == f"arn:aws:iot:*:*:client/{thing}"
    assert connect["Condition"] == {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}}
