"""Two devices' keys in each other's place are found before a bundle is handed out, encrypted ones too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline import files, keys
from pipeline.bundles.parts import Endpoint
from pipeline.device import Certificate, Device, State
from pipeline.errors import DeviceError
from pipeline.layout import RunFolder
from pipeline.recipients import read
from pipeline.sealing import AgeSeal, ensure_sealed_key
from pipeline.settings import Encryption, KeyType
from pipeline.staging import Known, publish
from tests.support.awsiot import Fail

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.device import KeyReceipt
    from tests.core.mill import Mill
    from tests.sealing.holders import Holder

CERTIFICATE = Certificate("ab" * 32, "arn:cert/one", "the certificate\n", "2049-12-31T23:59:59Z")
ENDPOINT = Endpoint("first.example", 8883, "the roots\n")


def swap(first: Path, second: Path) -> None:
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


@pytest.fixture
def staged(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    for private in (folder.root, folder.devices, folder.staging):
        files.private_folder(private)
    return folder


@pytest.mark.parametrize("sealed", [False, True], ids=["clear", "sealed"])
def test_another_devices_key_is_not_bundled(staged: RunFolder, holder: Holder, sealed: bool) -> None:
    """A key that was swapped after its certificate was asked for fails its device, until it is back."""

    def make(name: str) -> KeyReceipt:
        asked = (staged.staged(name), name, name, KeyType.EC_P256, None)
        if not sealed:
            return keys.ensure_key(*asked)
        return ensure_sealed_key(*asked, AgeSeal(read([holder.recipient])))

    receipts = {name: make(name) for name in ("one", "two")}
    places = [keys.key_file(staged.staged(name), name) for name in ("one", "two")]
    first, second = (place for place in places if place is not None)
    known = Known(receipts["one"].spki_sha256, receipts["one"].files)
    swap(first, second)
    with pytest.raises(DeviceError, match="not the key that the certificate was issued for"):
        publish(staged, Device("one", 1, "one"), CERTIFICATE, ENDPOINT, known=known)
    assert not staged.bundle("one").exists()
    swap(first, second)
    publish(staged, Device("one", 1, "one"), CERTIFICATE, ENDPOINT, known=known)
    assert keys.key_file(staged.bundle("one"), "one") is not None


@pytest.mark.anyio
async def test_no_certificate_is_asked_for_beside_another_devices_key(mill: Mill, holder: Holder) -> None:
    """Swapped between two runs, sealed keys are found when it is resumed, before anything is sent."""
    mill.double.faults.script("CreateCertificateFromCsr", Fail("InvalidRequestException"), times=2)
    encryption = Encryption(read([holder.recipient]))
    await mill.run("one\ntwo\n", encryption=encryption)
    assert [mill.entry(name).state for name in ("one", "two")] == [State.KEYED, State.KEYED]
    asked = mill.issues()
    swap(*(mill.folder.staged(name) / f"{name}.key.age" for name in ("one", "two")))
    await mill.run("one\ntwo\n", encryption=encryption)
    assert (mill.code("one"), mill.code("two"), mill.issues()) == ("KeyLost", "KeyLost", asked)
