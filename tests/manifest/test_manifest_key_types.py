"""A row may ask for another key than the run's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.device import Device
from pipeline.manifest import load
from pipeline.settings import Defaults, KeyType
from tests.manifest.manifest_reading import devices_in, faults_in, write
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("header", ["key_type", "KeyType", "key-type"])
def test_every_key_type_can_stand_in_a_row(tmp_path: Path, key_type: KeyType, header: str) -> None:
    """Each key type is taken whatever its case, and an empty cell leaves the choice to the run."""
    path = write(tmp_path, "m.csv", f"id,{header}\na,{key_type.upper()}\nb,\n")
    first, second = devices_in(path)
    assert (first.key_type, second.key_type) == (key_type, None)
    assert first == Device.from_json(first.to_json(), first.line)
    with load(str(path), Defaults()) as roster:
        counts = roster.key_counts(KeyType.RSA_4096)
    assert counts == ({key_type: 1, KeyType.RSA_4096: 1} if key_type is not KeyType.RSA_4096 else {key_type: 2})


def test_a_key_type_that_is_none_is_a_fault(tmp_path: Path) -> None:
    """What is no key type is named with its place and with those that there are."""
    path = write(tmp_path, "m.csv", "id,key_type\na,rsa-1024\n")
    assert faults_in(path) == [f"m.csv:2:3: key type 'rsa-1024' is none of {', '.join(KeyType)}"]


def test_a_device_with_a_csr_has_its_key_already(tmp_path: Path) -> None:
    """A key type beside a CSR is a fault: no key is made for that device."""
    write(tmp_path, "a.csr", make_csr("a").pem)
    path = write(tmp_path, "m.csv", "id,csr,key_type\na,a.csr,ec-p256\n")
    assert faults_in(path) == [
        "m.csv:2:9: the row has a CSR, so the device has its key already; leave key_type empty"
    ]
