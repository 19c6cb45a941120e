"""Several formats at once in a device's folder: modes, checksums, and what a kill leaves for the next run."""

from __future__ import annotations

import hashlib
import stat
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from pipeline import files, keys
from pipeline.bundles.formats import FORMATS
from pipeline.device import Device
from pipeline.errors import DeviceError
from pipeline.layout import RunFolder
from pipeline.passwords import Carried
from pipeline.settings import KeyType
from pipeline.staging import publish
from tests.bundles.devices import AMAZON, ODD_NAMES, certify, emulated
from tests.bundles.test_formats import ANY_DEVICE
from tests.hygiene.keymaterial import KeyMaterial

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.bundles.parts import Endpoint

SALTED = {name for name in ANY_DEVICE if FORMATS[name].matches is not None}


class KilledError(BaseException):
    """Stands for the end of the process."""


class Staged:
    """A run's folder in which a device has its key and CSR."""

    def __init__(self, home: Path, name: str = "one", *, keeps_its_key: bool = False) -> None:
        self.folder = RunFolder(home / "run")
        files.folder_above(self.folder.root)
        for private in (self.folder.root, self.folder.devices, self.folder.staging):
            files.private_folder(private)
        receipt = keys.ensure_key(self.folder.staged(name), name, name[:64], KeyType.EC_P256)
        csr = receipt.csr if keeps_its_key else None
        if keeps_its_key:
            (self.folder.staged(name) / f"{name}.key").unlink()
        self.device = Device(name, 1, name[:64], csr=csr)
        self.certificate = certify(receipt.csr)

    @property
    def place(self) -> Path:
        return self.folder.bundle(self.device.thing_name)

    def publish(
        self, formats: Sequence[str] = ANY_DEVICE, endpoint: Endpoint = AMAZON, password: str = ""
    ) -> dict[str, str]:
        carried = Carried(password.encode()) if password else None
        return publish(self.folder, self.device, self.certificate, endpoint, formats, carried)

    def publish_and_be_killed(self, endpoint: Endpoint, last: str, calls: int = 1) -> None:
        """Publish, and end at the given call of the named function of ``files``."""
        real, left = getattr(files, last), [calls]

        def counted(*arguments: object, **words: object) -> object:
            left[0] -= 1
            if left[0] <= 0:
                raise KilledError
            return real(*arguments, **words)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files, last, counted)
            with pytest.raises(KilledError):
                self.publish(endpoint=endpoint)

    def on_disk(self) -> dict[str, str]:
        """Return the hex SHA-256 of each file but the key's own, by its path."""
        found = self.files()
        del found[f"{self.device.thing_name}.key"]
        return {path: hashlib.sha256(data).hexdigest() for path, data in found.items()}

    def files(self) -> dict[str, bytes]:
        paths = [path for path in self.place.rglob("*") if path.is_file()]
        return {path.relative_to(self.place).as_posix(): path.read_bytes() for path in paths}


def test_every_format_has_its_folder_and_only_keys_are_hidden(tmp_path: Path) -> None:
    """A folder is 0700, a file that holds the key 0400, and any other 0644."""
    staged = Staged(tmp_path)
    staged.publish()
    material = KeyMaterial([(staged.place / "one.key").read_bytes()])
    for path in staged.place.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir():
            assert mode == 0o700
        else:
            assert (path.name, mode) == (path.name, 0o400 if material.inside(path.read_bytes()) else 0o644)
    assert {path.name for path in staged.place.iterdir() if path.is_dir()} == set(ANY_DEVICE)


def test_the_checksums_are_those_of_the_disk(tmp_path: Path) -> None:
    """Each file of each format is in what the ledger gets, by its path, and nothing else is."""
    staged = Staged(tmp_path)
    assert staged.publish() == staged.on_disk()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_has_every_format(tmp_path: Path, name: str) -> None:
    """A thing's name makes no difference on disk either."""
    staged, usual = Staged(tmp_path / "odd", name), Staged(tmp_path / "usual")
    assert staged.publish() == staged.on_disk()
    assert len(staged.files()) == len(usual.publish()) + 1


def test_a_device_that_keeps_its_key_is_left_out_where_a_format_needs_one(tmp_path: Path) -> None:
    """It has the other formats, and no file of it is hidden."""
    staged = Staged(tmp_path, keeps_its_key=True)
    staged.publish()
    assert {path.name for path in staged.place.iterdir() if path.is_dir()} == set(ANY_DEVICE) - {"pkcs12"}
    modes = {stat.S_IMODE(path.stat().st_mode) for path in staged.place.rglob("*") if path.is_file()}
    assert modes == {0o644}


def test_publishing_again_writes_nothing_that_would_be_the_same(tmp_path: Path) -> None:
    """Only files that are salted are made anew, and their checksums with them."""
    staged = Staged(tmp_path)
    staged.publish()
    before = {path: path.stat().st_ino for path in staged.place.rglob("*") if path.is_file()}
    assert staged.publish() == staged.on_disk()
    changed = {path.parent.name for path, inode in before.items() if path.stat().st_ino != inode}
    assert changed == SALTED
    assert {path for path in staged.place.rglob("*") if path.is_file()} == before.keys()


@pytest.mark.parametrize(
    ("last", "calls"),
    [("private_folder", 1), ("fill", 1), ("fill", 3), ("fill", 9), ("publish_folder", 1), ("sync_move", 1)],
)
def test_a_kill_anywhere_leaves_a_bundle_to_go_on_with(tmp_path: Path, last: str, calls: int) -> None:
    """The next run has every format whole, for the endpoint that it has now, and with the key that was made."""
    staged = Staged(tmp_path)
    key = (staged.folder.staged("one") / "one.key").read_bytes()
    staged.publish_and_be_killed(emulated(), last, calls)
    assert staged.publish() == staged.on_disk()
    assert {path: data for path, data in staged.files().items() if b"localhost" in data} == {}
    assert (staged.place / "one.key").read_bytes() == key
    assert not list(staged.place.rglob(".*.tmp"))


def test_what_was_half_written_in_a_formats_folder_is_swept(tmp_path: Path) -> None:
    """A killed writer's temporary file, which may hold a key, is gone from the bundle."""
    staged = Staged(tmp_path)
    place = staged.folder.staged("one") / "der"
    files.private_folder(place)
    (place / ".0123456789abcdef.tmp").write_bytes(b"half a key")
    assert staged.publish(["der"]) == staged.on_disk()
    (staged.place / "der" / ".0123456789abcdef.tmp").write_bytes(b"half a key")
    assert staged.publish(["der"]) == staged.on_disk()


def test_a_password_that_was_carried_opens_the_file(tmp_path: Path) -> None:
    """What crossed to the worker is what encrypts, and a resumed run may publish with it again."""
    staged = Staged(tmp_path)
    for _ in range(2):
        staged.publish(["pkcs12"], password="correct horse")
        inside = load_pkcs12((staged.place / "pkcs12" / "one.p12").read_bytes(), b"correct horse")
        assert inside.key is not None
        assert inside.key.public_key() == keys.public_key_of_csr((staged.place / "one.csr").read_text("ascii"))


def test_a_key_that_was_exchanged_is_not_opened_but_named(tmp_path: Path) -> None:
    """A device whose key file is no key fails by itself, and its folder stays in staging."""
    staged = Staged(tmp_path)
    path = staged.folder.staged("one") / "one.key"
    path.chmod(0o600)
    path.write_bytes(b"no key")
    path.chmod(0o400)
    with pytest.raises(DeviceError) as refused:
        staged.publish(["der"])
    assert (refused.value.step, refused.value.code) == (6, "StrangeKey")
    assert not staged.place.exists()
