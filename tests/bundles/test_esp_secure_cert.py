"""``--format esp-secure-cert``: a CSV that Espressif's tool makes an ``esp_secure_cert`` partition from."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from pipeline.bundles import esp_secure_cert
from pipeline.errors import DeviceError
from pipeline.secret import Secret
from pipeline.settings import KeyType
from tests.bundles.devices import (
    AMAZON,
    ODD_NAMES,
    certify,
    clear_key,
    encrypted,
    keeping_its_key,
    lay,
    parts_of,
    plain,
    tool,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.bundles.parts import Parts

TOOL = (sys.executable, str(Path(sys.executable).with_name("configure_esp_secure_cert.py")))

DEVICES = ("rsa-4096", "rsa-2048", "ec-p256", "ec-p521", "own key")

ROOT, CERTIFICATE, KEY, INTEGRITY = 0, 1, 2, 9
"""Types of entries (esp_secure_cert_mgr, "TLV format")."""


@pytest.fixture(scope="module", params=DEVICES)
def parts(request: pytest.FixtureRequest) -> Parts:
    """A device of each kind; the key of the largest takes a while to make."""
    return keeping_its_key() if request.param == "own key" else parts_of(key_type=KeyType(request.param))


def configured(parts: Parts, folder: Path) -> dict[tuple[int, int], bytes]:
    """Run the tool on what is made for a device, and return the data in its partition by type and subtype."""
    made = esp_secure_cert.contents(parts)
    [name] = made
    table = lay(folder / "esp-secure-cert", made) / name
    place = folder / "scratch"
    place.mkdir(0o700)
    tool(*TOOL, "--esp_secure_cert_csv", str(table), "--target_chip", "esp32c3", "--skip_flash", folder=place)
    image = (place / "esp_secure_cert_data" / "esp_secure_cert.bin").read_bytes()
    assert len(image) <= 0x2000
    return dict(entries(image))


def entries(image: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Read a partition by its documented layout, checksums too."""
    at = 0
    while at < len(image):
        magic, kind, subtype, length = struct.unpack_from("<I4xBBH", image, at)
        assert magic == 0xBA5EBA11
        end = at + 12 + length + -length % 16
        assert struct.unpack_from("<I", image, end)[0] == zlib.crc32(image[at:end], 0xFFFFFFFF)
        yield (kind, subtype), image[at + 12 : at + 12 + length]
        at = end + 4


def test_the_tool_puts_everything_into_its_partition(parts: Parts, tmp_path: Path) -> None:
    """It ends well, and the certificate, the key if it is ours and the four roots are what the device is given."""
    found = configured(parts, tmp_path)
    roots = x509.load_pem_x509_certificates(AMAZON.roots.encode())
    expected = {(CERTIFICATE, 0), *((ROOT, number) for number in range(4)), (INTEGRITY, 0)}
    assert found.keys() == expected | ({(KEY, 0)} if parts.key is not None else set())
    certificate = x509.load_pem_x509_certificate(parts.certificate.pem.encode())
    assert x509.load_der_x509_certificate(found[CERTIFICATE, 0]) == certificate
    assert [x509.load_der_x509_certificate(found[ROOT, number]) for number in range(4)] == roots
    if parts.key is not None:
        key = load_der_private_key(found[KEY, 0], password=None)
        clear = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        assert clear == clear_key(parts)


def test_the_largest_device_leaves_room_in_the_partition(tmp_path: Path) -> None:
    """With RSA-4096, four roots and the longest names there is a KiB left of eight, for a line's own data."""
    found = configured(parts_of("n" * 128, key_type=KeyType.RSA_4096), tmp_path)
    assert sum(len(data) + 32 for data in found.values()) < 0x1C00


def test_what_the_tool_leaves_of_the_csv_is_gone(tmp_path: Path) -> None:
    """It unpacks keys into files where it is run; when it has ended, its partition alone is there."""
    configured(parts_of(), tmp_path)
    scratch = tmp_path / "scratch"
    left = [path.relative_to(scratch).as_posix() for path in scratch.rglob("*") if path.is_file()]
    assert left == ["esp_secure_cert_data/esp_secure_cert.bin"]


def test_key_type_and_size_are_told(parts: Parts) -> None:
    """Columns that the tool asks for with a key are those of the key, and empty for all else."""
    header, *rows = plain(esp_secure_cert.contents(parts)).popitem()[1].decode("ascii").splitlines()
    cells = [dict(zip(header.split(","), row.split(","), strict=True)) for row in rows]
    about = {
        row["tlv_type"]: (
            row["priv_key_type"],
            row["algorithm"],
            row["key_size"],
            row["efuse_id"],
            row["efuse_key"],
        )
        for row in cells
    }
    told = about.pop("ESP_SECURE_CERT_PRIV_KEY_TLV", None)
    assert set(about.values()) == {("", "", "", "", "")}
    if parts.key is None:
        assert told is None
        return
    key = load_pem_private_key(clear_key(parts), password=None)
    algorithm = "RSA" if type(key).__name__.startswith("RSA") else "ECDSA"
    size = x509.load_pem_x509_certificate(certify(parts.csr).pem.encode()).public_key().key_size  # type: ignore[union-attr]  # of RSA and EC
    assert told == ("plaintext", algorithm, str(size), "", "")


def test_what_holds_a_key_is_secret(parts: Parts) -> None:
    """The CSV is 0400 with a key in it, and is like any file without one."""
    [made] = esp_secure_cert.contents(parts).values()
    assert isinstance(made, bytes if parts.key is None else Secret)


def test_the_same_device_gives_the_same_bytes(parts: Parts) -> None:
    """A resumed run finds on disk what it would write."""
    assert plain(esp_secure_cert.contents(parts)) == plain(esp_secure_cert.contents(parts))


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_is_a_files_name(name: str) -> None:
    """The CSV is found by the thing's name, whatever that is."""
    assert list(esp_secure_cert.contents(parts_of(name))) == [f"{name}.esp_secure_cert.csv"]


def test_an_encrypted_key_is_refused() -> None:
    """A device cannot use one, so none is put into a partition."""
    with pytest.raises(DeviceError, match="encrypted"):
        esp_secure_cert.contents(encrypted(parts_of(), ".age"))
