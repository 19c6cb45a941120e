"""Key and CSR of one device, made where the key stays: in the process that writes it to disk.

The exception is the key that a cluster makes: it comes sealed to that process, which signs its CSR
(docs/cluster.md).

>>> key = generate(KeyType.EC_P256)
>>> csr = sign_request(key, "TestThing001")
>>> csr.splitlines()[0]
'-----BEGIN CERTIFICATE REQUEST-----'
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from pipeline import failpoints, files
from pipeline.codes import DeviceCode
from pipeline.device import KeyReceipt
from pipeline.errors import DeviceError
from pipeline.settings import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

__all__ = [
    "PrivateKey",
    "ensure_key",
    "fits",
    "generate",
    "generate_signed",
    "is_pair",
    "is_whole",
    "key_file",
    "lost",
    "parsed",
    "public_key_of_csr",
    "sign_request",
    "spki_sha256",
    "store_csr",
]

_RSA_BITS = {KeyType.RSA_4096: 4096, KeyType.RSA_3072: 3072, KeyType.RSA_2048: 2048}
_CURVES: dict[KeyType, type[ec.EllipticCurve]] = {
    KeyType.EC_P256: ec.SECP256R1,
    KeyType.EC_P384: ec.SECP384R1,
    KeyType.EC_P521: ec.SECP521R1,
}

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def generate(key_type: KeyType) -> PrivateKey:
    """Return a new private key. RSA keys have the public exponent 65537 (FIPS 186-5, A.1.1)."""
    if key_type in _RSA_BITS:
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS[key_type])
    return ec.generate_private_key(_CURVES[key_type]())


def sign_request(key: PrivateKey, common_name: str) -> str:
    """Return a PEM CSR (PKCS #10, RFC 2986) whose only name is ``common_name``, signed with SHA-512."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA512())
    return request.public_bytes(Encoding.PEM).decode("ascii")


def generate_signed(key_type: KeyType, common_name: str) -> tuple[PrivateKey, str]:
    """Return a new private key, and the CSR that is signed with it."""
    key = generate(key_type)
    return key, sign_request(key, common_name)


def spki_sha256(public_key: PublicKeyTypes) -> str:
    """Return the hex SHA-256 of a key's DER SubjectPublicKeyInfo: what a CSR and a certificate share."""
    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def public_key_of_csr(csr: str) -> PublicKeyTypes:
    """Return the public key that a PEM CSR asks to have certified.

    Raises:
        ValueError: It is no CSR.
    """
    return x509.load_pem_x509_csr(csr.encode("ascii")).public_key()


def is_pair(key: PrivateKey) -> bool:
    """Whether the private part of a key is that of its public part."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = key.private_numbers()
        derived = ec.derive_private_key(numbers.private_value, key.curve).public_key()
        return derived.public_numbers() == numbers.public_numbers
    found = key.private_numbers()
    # RFC 8017, section 3.2.
    n, e, p, q, d = found.public_numbers.n, found.public_numbers.e, found.p, found.q, found.d
    return (
        1 < p < n
        and p * q == n
        and e * d % (p - 1) == 1
        and e * d % (q - 1) == 1
        and found.dmp1 == d % (p - 1)
        and found.dmq1 == d % (q - 1)
        and found.iqmp * q % p == 1
    )


def ensure_key(
    folder: Path,
    thing_name: str,
    common_name: str,
    key_type: KeyType,
    expected: str | None = None,
    made: Callable[[KeyType, str], tuple[PrivateKey, str]] = generate_signed,
) -> KeyReceipt:
    """Have key and CSR of a device on disk, and return the receipt for them.

    Args:
        folder: The device's staging folder.
        thing_name: Names the files.
        common_name: The CSR's only name.
        key_type: The key to make.
        expected: The SPKI hash of a key that was made before: then none other will do.
        made: Returns a new key and its CSR for the common name, where none is there yet.

    A key that a killed run left whole is taken up, not made again: it has never left the machine, and a key is
    never overwritten. The key itself exists only in this process and in its file, or was sealed to this process by
    the worker of a cluster that made it. A new one has signed its CSR before it is stored: one that cannot sign
    would be found in the folder by the next run.

    Raises:
        DeviceError: A key is there that this run cannot have made.
        DiskError: The disk refused.
    """
    files.private_folder(folder)
    files.sweep_temporaries(folder)
    path = folder / f"{thing_name}.key"
    found = key_file(folder, thing_name)
    if found is not None and found != path:
        raise DeviceError(
            2,
            DeviceCode.STRANGE_KEY,
            f"{found.name} is in the staging folder, encrypted, and the device's key is to be in clear",
            advice="it was never sent anywhere: give the recipients as before, or move it away",
        )
    try:
        key, csr = _taken_up(path, key_type, common_name)
    except FileNotFoundError:
        if expected is not None:
            raise lost(2, thing_name) from None
        key, csr = _make(path, key_type, common_name, made)
    if expected is not None and spki_sha256(key.public_key()) != expected:
        raise lost(2, thing_name)
    return _store(folder, thing_name, csr)


def store_csr(folder: Path, thing_name: str, csr: str) -> KeyReceipt:
    """Have the CSR of a device that keeps its own key on disk, and return the receipt for its key.

    Raises:
        DeviceError: A key was made for the device before its row brought a CSR.
        DiskError: The disk refused.
    """
    files.private_folder(folder)
    strange = key_file(folder, thing_name)
    if strange is not None:
        raise DeviceError(
            2,
            DeviceCode.STRANGE_KEY,
            f"{strange.name} is in the staging folder, but the device keeps its own key",
            advice="it was never sent anywhere; remove it, then run the same command again",
        )
    return _store(folder, thing_name, csr)


def key_file(folder: Path, thing_name: str) -> Path | None:
    """Return where a device's key lies in a folder, encrypted to recipients or not, or None where none does."""
    places = (folder / f"{thing_name}.key{suffix}" for suffix in ("", ".age"))
    return next((place for place in places if os.path.lexists(place)), None)


def parsed(pem: bytes) -> PrivateKey | None:
    """Return a private key in clear, or None where it is none. What a parser says of it could quote it.

    An RSA key's numbers are not checked against each other: that takes a third of a second for 4,096 bits, and is
    what ``thingmill verify`` is for.
    """
    try:
        return cast("PrivateKey", load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def is_whole(folder: Path, thing_name: str) -> bool:
    """Whether a device's key is in a folder as it was written: a file of ours, 0400, not empty. It is not read."""
    place = key_file(folder, thing_name)
    try:
        found = place.lstat() if place is not None else None
    except FileNotFoundError:
        found = None
    if found is None:
        return False
    mode = stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == files.SECRET
    return mode and found.st_uid == os.geteuid() and found.st_size > 0


def fits(public_key: PublicKeyTypes, key_type: KeyType) -> bool:
    """Whether a public key is of a type."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return _RSA_BITS.get(key_type) == public_key.key_size
    return key_type in _CURVES and isinstance(getattr(public_key, "curve", None), _CURVES[key_type])


def lost(step: int, thing_name: str) -> DeviceError:
    """Return what fails a device whose key is no longer there."""
    return DeviceError(
        step,
        DeviceCode.KEY_LOST,
        f"the key or CSR in staging/{thing_name} is gone or is not the one that was made",
        advice="put the folder back as it was; where it is lost, take the device back (thingmill revoke --device) "
        "and provision it anew in a run of another --name",
    )


def _taken_up(path: Path, key_type: KeyType, common_name: str) -> tuple[PrivateKey, str]:
    key = _load(path, key_type)
    return key, sign_request(key, common_name)


def _make(
    path: Path, key_type: KeyType, common_name: str, made: Callable[[KeyType, str], tuple[PrivateKey, str]]
) -> tuple[PrivateKey, str]:
    key, csr = made(key_type, common_name)
    try:
        files.create_once(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), files.SECRET)
    except FileExistsError:
        # A worker that was given up for dead has just written it; a key is never overwritten.
        return _taken_up(path, key_type, common_name)
    failpoints.hit("key.durable")
    return key, csr


def _store(folder: Path, thing_name: str, csr: str) -> KeyReceipt:
    files.replace_whole(folder / f"{thing_name}.csr", csr.encode("ascii"))
    failpoints.hit("key.receipt")
    return KeyReceipt(csr=csr, spki_sha256=spki_sha256(public_key_of_csr(csr)))


def _load(path: Path, key_type: KeyType) -> PrivateKey:
    data = files.read_file(path)
    try:
        key = cast("PrivateKey", load_pem_private_key(data, password=None))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without the cause: what a parser says of a key could quote it.
        key = None
    if key is None or not fits(key.public_key(), key_type):
        raise DeviceError(
            2,
            DeviceCode.STRANGE_KEY,
            f"{path.name} is in the staging folder and is no {key_type} key of this run",
            advice="find out who put it there; move the file away to have a new key made",
        )
    return key
