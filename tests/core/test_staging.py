"""A staging folder becomes a bundle once, whatever cut it short, and its hashes are those of the disk."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from pipeline import files, keys
from pipeline.bundles.parts import Endpoint
from pipeline.device import Certificate, Device
from pipeline.errors import DeviceError
from pipeline.layout import RunFolder
from pipeline.settings import KeyType
from pipeline.staging import publish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEVICE = Device("one", 1, "one")
CERTIFICATE = Certificate("ab" * 32, "arn:cert/one", "the certificate\n", "2049-12-31T23:59:59Z")
FIRST = Endpoint("first.example", 8883, "the roots\n")
SECOND = Endpoint("second.example", 18883, "other roots\n")


class KilledError(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(params=[False, True], ids=["flat", "spread"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> RunFolder:
    """A run's folder in which the device has its key and CSR."""
    folder = RunFolder(tmp_path / "run", shard=request.param)
    for private in (folder.root, folder.devices, folder.staging):
        files.private_folder(private)
    keys.ensure_key(folder.staged("one"), "one", "one", KeyType.EC_P256)
    return folder


def on_disk(folder: RunFolder) -> dict[str, str]:
    """Return the hex SHA-256 of each file of the bundle but the key."""
    paths = [path for path in folder.bundle("one").iterdir() if path.suffix != ".key"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def endpoint_on_disk(folder: RunFolder) -> tuple[str, int, str]:
    config = json.loads((folder.bundle("one") / "config.json").read_bytes())
    roots = (folder.bundle("one") / config["root-ca"]).read_text(encoding="ascii")
    return config["endpoint"], config["port"], roots


def publish_and_be_killed(folder: RunFolder, endpoint: Endpoint, last: str) -> None:
    """Publish, and end when the named function of ``files`` would be called."""

    def end(*_: object) -> None:
        raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, last, end)
        with pytest.raises(KilledError):
            publish(folder, DEVICE, CERTIFICATE, endpoint)


def test_a_folder_is_published_with_its_key(folder: RunFolder) -> None:
    """Key, CSR, certificate, roots and configuration move together, and nothing stays in staging."""
    checksums = publish(folder, DEVICE, CERTIFICATE, FIRST)
    assert checksums == on_disk(folder)
    assert checksums.keys() == {"one.csr", "one.pem", "root-ca.pem", "config.json"}
    assert keys.is_whole(folder.bundle("one"), "one")
    assert not folder.staged("one").exists()


def test_publishing_again_changes_nothing(folder: RunFolder) -> None:
    """The second time finds the bundle there, gives the same hashes, and writes no file anew."""
    checksums = publish(folder, DEVICE, CERTIFICATE, FIRST)
    before = {path: path.stat().st_ino for path in folder.bundle("one").iterdir()}
    assert publish(folder, DEVICE, CERTIFICATE, FIRST) == checksums
    assert {path: path.stat().st_ino for path in folder.bundle("one").iterdir()} == before


@pytest.mark.parametrize("last", ["publish_folder", "sync_move"])
def test_a_run_that_goes_on_with_another_endpoint_has_it_in_the_bundle(folder: RunFolder, last: str) -> None:
    """Killed before the rename or after it, the bundle says where to connect now, as the hashes do."""
    publish_and_be_killed(folder, FIRST, last)
    assert folder.bundle("one").exists() == (last == "sync_move")
    assert publish(folder, DEVICE, CERTIFICATE, SECOND) == on_disk(folder)
    assert endpoint_on_disk(folder) == ("second.example", 18883, "other roots\n")


def test_a_kill_while_a_bundle_gets_its_new_endpoint_leaves_nothing_behind(folder: RunFolder) -> None:
    """What was half-written is swept, what was not yet written is written, and the key stays as it was."""
    publish_and_be_killed(folder, FIRST, "sync_move")
    key = (folder.bundle("one") / "one.key").read_bytes()
    (folder.bundle("one") / ".0123456789abcdef.tmp").write_bytes(b'{"endp')
    (folder.bundle("one") / "config.json").unlink()
    assert publish(folder, DEVICE, CERTIFICATE, SECOND) == on_disk(folder)
    assert endpoint_on_disk(folder) == ("second.example", 18883, "other roots\n")
    assert (folder.bundle("one") / "one.key").read_bytes() == key


def without_certificate(bundle: Path) -> None:
    (bundle / "one.pem").unlink()


def with_another_certificate(bundle: Path) -> None:
    (bundle / "one.pem").write_bytes(b"another certificate\n")


def without_csr(bundle: Path) -> None:
    (bundle / "one.csr").unlink()


def as_file(bundle: Path) -> None:
    bundle.rename(bundle.with_name("elsewhere"))
    bundle.write_bytes(b"no folder")


@pytest.mark.parametrize("change", [without_certificate, with_another_certificate, without_csr, as_file])
def test_what_is_not_the_whole_bundle_of_this_certificate_fails_the_device(
    folder: RunFolder, change: Callable[[Path], None]
) -> None:
    """It fails that device alone, and nothing in it is touched."""
    publish(folder, DEVICE, CERTIFICATE, FIRST)
    change(folder.bundle("one"))
    before = sorted((path, path.is_file() and path.read_bytes()) for path in folder.devices.rglob("*"))
    with pytest.raises(DeviceError) as refused:
        publish(folder, DEVICE, CERTIFICATE, SECOND)
    assert (refused.value.step, refused.value.code) == (6, "BundleTaken")
    assert sorted((path, path.is_file() and path.read_bytes()) for path in folder.devices.rglob("*")) == before


def test_a_bundle_beside_a_staging_folder_fails_the_device(folder: RunFolder) -> None:
    """Two folders of one device cannot both be the run's, and neither is touched."""
    files.private_folder(folder.bundle("one").parent)
    folder.bundle("one").mkdir()
    with pytest.raises(DeviceError) as refused:
        publish(folder, DEVICE, CERTIFICATE, FIRST)
    assert refused.value.code == "BundleTaken"
    assert keys.is_whole(folder.staged("one"), "one")
    assert list(folder.bundle("one").iterdir()) == []
