"""Each fault of a bundle on disk is found and named, and nothing else is."""

from __future__ import annotations

import datetime as dt
import json
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from pipeline.layout import RunFolder
from pipeline.verify import Checks
from pipeline.verify.offline import look
from tests.verify.inspecting import OWN, entry_of, found, told

if TYPE_CHECKING:
    from pathlib import Path


def bundle(root: Path, name: str) -> Path:
    return root / "devices" / name


def flip(path: Path, position: int) -> None:
    """Flip the lowest bit of a byte of a file, whose mode stays as it is."""
    mode = path.stat().st_mode & 0o777
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    path.chmod(mode)


def change_ledger(root: Path, name: str, **fields: str | int) -> None:
    """Set fields of a device's row."""
    names = ", ".join(f"{field} = ?" for field in fields)
    with closing(sqlite3.connect(root / "ledger.db", isolation_level=None)) as connection:
        change = f"UPDATE devices SET {names} WHERE thing_name = ?"  # noqa: S608  names of our own
        connection.execute(change, [*fields.values(), name])


def test_a_run_as_it_was_left_is_in_order(root: Path) -> None:
    """Nothing is found in a finished run, a device that keeps its own key included."""
    assert found(root) == {}


@pytest.mark.parametrize("position", [0, 12, 28, 29, 45, 100, 150, 200, -30, -10, -1])
def test_a_flipped_byte_of_a_key_is_found(root: Path, position: int) -> None:
    """Wherever in base64 or armour it is, the key is named as broken or as another one, without its text."""
    path = bundle(root, "two") / "two.key"
    secret = path.read_text(encoding="ascii").splitlines()[1]
    flip(path, position)
    [(name, codes)] = found(root).items()
    assert name == "two"
    assert codes in (["KeyBroken"], ["WrongKey"])
    assert secret[:16] not in told(root)


def test_keys_that_changed_places_are_found(root: Path) -> None:
    """A whole key of another device is told from a broken one."""
    one, two = bundle(root, "one") / "one.key", bundle(root, "two") / "two.key"
    other = one.with_name("other")
    one.rename(other)
    two.rename(one)
    other.rename(two)
    assert found(root) == {"one": ["WrongKey"], "two": ["WrongKey"]}


def test_certificates_that_changed_places_are_found(root: Path) -> None:
    """Both devices are named, each with whose certificate it has."""
    one, two = bundle(root, "one") / "one.pem", bundle(root, "two") / "two.pem"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert found(root) == {"one": ["WrongPair"], "two": ["WrongPair"]}
    assert "one.pem does not belong to its key: it is a certificate for two" in told(root)


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o440, 0o404])
def test_a_key_that_may_be_read_or_written_by_more_is_found(root: Path, mode: int) -> None:
    """Any mode but 0400 is named."""
    (bundle(root, "one") / "one.key").chmod(mode)
    assert found(root) == {"one": ["KeyMode"]}
    assert f"mode {mode:04o}, not 0400" in told(root)


def test_a_folder_that_others_may_enter_is_found(root: Path) -> None:
    """A device's folder is 0700 and nothing else."""
    bundle(root, "one").chmod(0o750)
    assert found(root) == {"one": ["FolderMode"]}


def test_what_belongs_to_another_user_is_found(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folder and files belong to whoever verifies."""
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert set(found(root)["one"]) == {"WrongOwner"}


@pytest.mark.parametrize("suffix", ["key", "csr", "pem"])
def test_a_missing_file_is_found(root: Path, suffix: str) -> None:
    """It is named."""
    (bundle(root, "three") / f"three.{suffix}").unlink()
    assert found(root) == {"three": ["FileMissing"]}
    assert f"three.{suffix} is missing" in told(root)


def test_a_missing_folder_is_found(root: Path) -> None:
    """A device whose whole bundle is gone is named, and the others are looked at."""
    bundle(root, "one").rename(root / "elsewhere")
    assert found(root) == {"one": ["FolderMissing"]}


def test_a_foreign_file_is_found(root: Path) -> None:
    """What the run did not write into a bundle is named, in letters that a terminal can take."""
    (bundle(root, "one") / "notes\x1b[31m.txt").write_text("left here", encoding="ascii")
    assert found(root) == {"one": ["ForeignFile"]}
    assert r"notes\x1b[31m.txt" in told(root)


def test_foreign_files_without_end_are_counted(root: Path) -> None:
    """Ten are named, and the rest is a number."""
    for number in range(25):
        (bundle(root, "one") / f"core.{number}").touch()
    assert found(root) == {"one": ["ForeignFile"] * 11}
    assert "15 more files" in told(root)


def test_a_key_beside_a_device_that_keeps_its_own_is_foreign(root: Path) -> None:
    """Nobody may think that it is the device's."""
    (bundle(root, OWN) / f"{OWN}.key").write_bytes((bundle(root, "one") / "one.key").read_bytes())
    assert found(root) == {OWN: ["ForeignFile"]}


def test_a_link_in_the_place_of_a_key_is_found(root: Path, tmp_path: Path) -> None:
    """A key that lies elsewhere is none of the bundle's, and is not read."""
    path = bundle(root, "one") / "one.key"
    path.rename(tmp_path / "elsewhere.key")
    path.symlink_to(tmp_path / "elsewhere.key")
    assert found(root) == {"one": ["NotAFile"]}


@pytest.mark.parametrize("file", ["config.json", "root-ca.pem"])
def test_a_changed_file_is_found(root: Path, file: str) -> None:
    """A byte more or less of a public file is told by its checksum."""
    with (bundle(root, "two") / file).open("ab") as opened:
        opened.write(b"\n")
    assert found(root) == {"two": ["ChecksumDiffers"]}
    assert f"{file} was changed" in told(root)


@pytest.mark.parametrize(("suffix", "code"), [("pem", "CertificateBroken"), ("csr", "CSRBroken")])
def test_what_cannot_be_read_is_named_so(root: Path, suffix: str, code: str) -> None:
    """A file that holds something else is told from one that was changed a little."""
    (bundle(root, "one") / f"one.{suffix}").write_text("nothing", encoding="ascii")
    assert found(root) == {"one": [code]}


def test_a_csr_of_another_key_is_found(root: Path) -> None:
    """A CSR that is good by itself must be for the device's own key."""
    (bundle(root, "one") / "one.csr").write_bytes((bundle(root, "two") / "two.csr").read_bytes())
    assert found(root) == {"one": ["WrongCSR"]}


@pytest.mark.parametrize("years", [-1, 300])
def test_a_certificate_that_is_not_valid_now_is_found(root: Path, years: int) -> None:
    """Before its first day and after its last one it is named, with both."""
    now = dt.datetime.now(dt.UTC) + dt.timedelta(days=365 * years)
    [finding] = look(entry_of(root, "one"), RunFolder(root).bundle("one"), now)
    assert finding.code == "NotValidNow"
    assert "one.pem is valid from" in finding.message


def test_a_certificate_that_somebody_made_for_the_key_is_found(root: Path) -> None:
    """One of the right key and name is still not the one that was issued, and an expired one is no better."""
    path = bundle(root, "one") / "one.pem"
    path.write_bytes(self_made(bundle(root, "one") / "one.key", "one"))
    assert found(root) == {"one": ["WrongCertificate", "NotValidNow"]}


def test_a_certificate_with_another_name_is_found(root: Path) -> None:
    """The common name is the one that the manifest asked for."""
    path = bundle(root, "one") / "one.pem"
    path.write_bytes(self_made(bundle(root, "one") / "one.key", "\u202eeno"))
    assert found(root)["one"][0] == "WrongCommonName"
    assert r"\u202eeno, not one" in told(root)


def self_made(key_file: Path, name: str) -> bytes:
    """Return an expired certificate for a bundle's key that no authority signed."""
    key = load_pem_private_key(key_file.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    last = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1)
    builder = builder.not_valid_before(last - dt.timedelta(days=1)).not_valid_after(last)
    certificate = builder.sign(key, hashes.SHA256())
    return certificate.public_bytes(Encoding.PEM)


def test_a_foreign_folder_among_the_bundles_is_found(root: Path) -> None:
    """What the run did not put into devices/ is named for the run as a whole, a device's other spelling too."""
    bundle(root, "One").mkdir(mode=0o700)
    (root / "devices" / "stray\nfile").touch()
    assert found(root) == {None: ["ForeignFolder", "ForeignFolder"]}
    assert "devices/One is not of this run" in told(root)
    assert r"devices/stray\x0afile is not of this run" in told(root)


@pytest.mark.parametrize("place", ["devices", "devices/ab", "staging"])
def test_a_name_that_is_no_text_is_foreign(root: Path, place: str) -> None:
    """A file's name may be any bytes: it is named in letters that a terminal can take."""
    if place == "devices/ab":
        spread_out(root)
    (root / place).mkdir(mode=0o700, exist_ok=True)
    with open(os.fsencode(root / place) + b"/\xff", "xb"):  # noqa: PTH123  a path that is bytes
        pass
    assert found(root) == {None: ["ForeignFolder"]}
    assert rf"{place}/\udcff is not of this run" in told(root)


def test_what_finished_devices_left_in_staging_is_found(root: Path) -> None:
    """There may be a key in it; what the run does not know is told apart."""
    (root / "staging" / "one").mkdir(mode=0o700)
    (root / "staging" / "nobody").mkdir(mode=0o700)
    assert sorted(found(root)[None]) == ["ForeignFolder", "StagingLeft"]


FAILED: dict[str, str | int] = {
    "state": 7,
    "outcome": "failed",
    "failed_step": 8,
    "error_code": "LimitExceeded",
    "error_message": "no room\x1b",
}


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"state": 6}, "it stands at BUNDLED"), (FAILED, r"it failed at step 8: no room\x1b (LimitExceeded)")],
    ids=["unfinished", "failed"],
)
def test_a_device_that_is_not_done_is_said_to_be_so(root: Path, fields: dict[str, str | int], said: str) -> None:
    """One that failed or is under way counts as a problem, with where it stands."""
    change_ledger(root, "one", **fields)
    assert found(root) == {"one": ["NotDone"]}
    assert said in told(root)


@pytest.mark.parametrize("outcome", ["skipped", "revoked"])
def test_what_was_left_alone_or_taken_back_is_not_looked_at(root: Path, outcome: str) -> None:
    """A device without a bundle is no problem then."""
    change_ledger(root, "one", outcome=outcome)
    (bundle(root, "one") / "one.pem").unlink()
    assert found(root) == {}


def test_only_the_devices_asked_for_are_looked_at(root: Path) -> None:
    """A fault of another one, or of the run as a whole, is not theirs."""
    for name in ("one", "two"):
        (bundle(root, name) / "config.json").unlink()
    bundle(root, "stray").mkdir()
    assert found(root, Checks(names=("two", "three", "two"))) == {"two": ["FileMissing"]}


def spread_out(root: Path) -> RunFolder:
    """Make the run one with --shard."""
    flat, spread = RunFolder(root), RunFolder(root, shard=True)
    for name in ("one", "two", "three", OWN):
        spread.bundle(name).parent.mkdir(mode=0o700, exist_ok=True)
        flat.bundle(name).rename(spread.bundle(name))
    with closing(sqlite3.connect(root / "ledger.db", isolation_level=None)) as connection:
        connection.execute("UPDATE meta SET value = 'True' WHERE key = 'sharded'")
    return spread


def test_bundles_that_are_spread_over_folders_are_found(root: Path) -> None:
    """With --shard each device is looked for below two hex digits, and one in another place is foreign."""
    spread = spread_out(root)
    assert found(root) == {}
    misplaced = root / "devices" / "00" / "one"
    misplaced.parent.mkdir(mode=0o700, exist_ok=True)
    spread.bundle("one").rename(misplaced)
    assert found(root) == {"one": ["FolderMissing"], None: ["ForeignFolder"]}


def test_checksums_are_those_that_the_ledger_keeps(root: Path) -> None:
    """A ledger that says otherwise of a file is believed over the file."""
    files = dict(entry_of(root, "one").files) | {"config.json": "0" * 64}
    change_ledger(root, "one", files=json.dumps(files))
    assert found(root) == {"one": ["ChecksumDiffers"]}
