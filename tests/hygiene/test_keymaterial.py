"""The searcher itself: a key is found in whatever form it is planted, and nowhere else."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from pipeline.keys import generate
from pipeline.settings import KeyType
from tests.hygiene.keymaterial import KeyMaterial, secrets_of

if TYPE_CHECKING:
    from collections.abc import Callable


def pem_of(key_type: KeyType) -> bytes:
    return generate(key_type).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


KEYS = {key_type: pem_of(key_type) for key_type in (KeyType.EC_P256, KeyType.EC_P521, KeyType.RSA_2048)}


def der(pem: bytes, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return load_pem_private_key(pem, None).private_bytes(Encoding.DER, form, NoEncryption())


def zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.key", data)
    return file.getvalue()


def taped(data: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tape:
        about = tarfile.TarInfo("one.key")
        about.size = len(data)
        tape.addfile(about, io.BytesIO(data))
    return file.getvalue()


def in_pkcs12(pem: bytes) -> bytes:
    key = load_pem_private_key(pem, None)
    return pkcs12.serialize_key_and_certificates(b"one", key, None, None, NoEncryption())  # type: ignore[arg-type]  # it is RSA or EC


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "PEM": lambda pem: b"log: " + pem,
    "traditional PEM": lambda pem: load_pem_private_key(pem, None).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ),
    "PEM in JSON": lambda pem: json.dumps({"key": pem.decode()}).encode(),
    "PEM as C strings": lambda pem: b"".join(b'"' + line + b'\\n" \\\n' for line in pem.splitlines()),
    "repr of PEM": lambda pem: repr(pem).encode(),
    "DER": der,
    "traditional DER": lambda pem: der(pem, PrivateFormat.TraditionalOpenSSL),
    "repr of DER": lambda pem: repr(der(pem)).encode(),
    "base64 at any place": lambda pem: base64.b64encode(b"xx" + der(pem)),
    "base64 for addresses": lambda pem: base64.urlsafe_b64encode(secrets_of(pem)[0]),
    "hex": lambda pem: der(pem).hex().encode(),
    "HEX with colons": lambda pem: der(pem).hex(":").upper().encode(),
    "a C array": lambda pem: ", ".join(f"0x{byte:02X}" for byte in der(pem)).encode(),
    "decimal": lambda pem: str(int.from_bytes(secrets_of(pem)[0])).encode(),
    "little end first": lambda pem: secrets_of(pem)[0][::-1],
    "cut short": lambda pem: pem[: len(pem) * 4 // 5],
    "zip": zipped,
    "tar.gz": taped,
    "zlib": zlib.compress,
    "gzip in zip": lambda pem: zipped(gzip.compress(pem)),
    "PKCS #12 without a password": in_pkcs12,
}


@pytest.mark.parametrize("key_type", KEYS)
@pytest.mark.parametrize("form", FORMS)
def test_a_planted_key_is_found(form: str, key_type: KeyType) -> None:
    """In every form a key is found, whatever kind it is, and another key in the same form is not taken for it."""
    planted = FORMS[form](KEYS[key_type])
    assert KeyMaterial([KEYS[key_type]]).inside(planted)
    assert not KeyMaterial([pem_of(key_type)]).inside(planted)


def test_an_encrypted_key_is_none() -> None:
    """What takes a passphrase to read gives nothing away."""
    pem = KEYS[KeyType.EC_P256]
    sealed = load_pem_private_key(pem, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a passphrase")
    )
    assert not KeyMaterial([pem]).inside(sealed)
