"""Devices to make bundles of: keys, certificates and roots of this test run's own, with nothing on disk."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from pipeline import files, keys
from pipeline.arns import Place
from pipeline.bundles.parts import Endpoint, KeyFile, Parts
from pipeline.bundles.roots import amazon_roots
from pipeline.device import Certificate, Device
from pipeline.secret import Secret
from pipeline.settings import KeyType

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from pipeline.bundles.parts import Contents

__all__ = [
    "AMAZON",
    "KEY_TYPES",
    "ODD_NAMES",
    "certify",
    "clear_key",
    "emulated",
    "encrypted",
    "keeping_its_key",
    "lay",
    "local_root",
    "parts_of",
    "plain",
    "tool",
]

AMAZON = Endpoint("a1b2c3d4e5f6g7-ats.iot.eu-central-1.amazonaws.com", 8883, amazon_roots())
"""An endpoint of AWS."""

KEY_TYPES = (KeyType.RSA_2048, KeyType.EC_P256)

ODD_NAMES = ("a:b", "config", "root-ca", "AmazonRootCA1", "aws_clientcredential", "-x", "_", "n" * 128)
"""Names that a thing may have, and that could be taken for a format's own file, or for an option."""

_PLACE = Place("eu-central-1", "123456789012")


@cache
def _issuer() -> tuple[ec.EllipticCurvePrivateKey, x509.Name]:
    return ec.generate_private_key(ec.SECP256R1()), x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "an emulator's root")]
    )


@cache
def local_root() -> str:
    """Return the root of an emulator as PEM: what certificates of ``certify`` chain to."""
    key, name = _issuer()
    return _signed(key.public_key(), name, 1).public_bytes(Encoding.PEM).decode("ascii")


def certify(csr: str) -> Certificate:
    """Return a certificate for a CSR, as AWS IoT would issue it."""
    request = x509.load_pem_x509_csr(csr.encode("ascii"))
    public_key = keys.public_key_of_csr(csr)
    assert isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    signed = _signed(public_key, request.subject, x509.random_serial_number())
    number = signed.fingerprint(hashes.SHA256()).hex()
    pem = signed.public_bytes(Encoding.PEM).decode("ascii")
    return Certificate(number, _PLACE.iot(f"cert/{number}"), pem, "2049-12-31T23:59:59Z")


def emulated() -> Endpoint:
    """Return the endpoint of an emulator, with a root and a port of its own."""
    return Endpoint("localhost", 18883, local_root())


def parts_of(
    name: str = "pump-001",
    *,
    key_type: KeyType = KeyType.EC_P256,
    endpoint: Endpoint = AMAZON,
    password: str = "",
    key: bytes = b"",
) -> Parts:
    """Return a device whose key is at hand, not encrypted; ``key`` stands in its file, if it is given."""
    made = keys.generate(key_type)
    csr = keys.sign_request(made, name[:64])
    pem = key or made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    secret = Secret(password.encode()) if password else None
    return Parts(Device(name, 1, name[:64]), certify(csr), endpoint, csr, KeyFile(Secret(pem)), secret)


def keeping_its_key(name: str = "pump-001", endpoint: Endpoint = AMAZON) -> Parts:
    """Return a device that sent a CSR."""
    made = parts_of(name, endpoint=endpoint)
    return Parts(Device(name, 1, name[:64], csr=made.csr), made.certificate, endpoint, made.csr)


def encrypted(parts: Parts, suffix: str) -> Parts:
    """Return the same device with its key encrypted: to an age recipient, or with a passphrase."""
    sealed = Secret(b"age-encryption.org/v1\n\x00\xff" if suffix else b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    return replace(parts, key=KeyFile(sealed, suffix, encrypted=True))


def clear_key(parts: Parts) -> bytes:
    """Return the PEM key of a device whose key is at hand."""
    assert parts.key is not None
    return parts.key.data.reveal()


def plain(contents: Contents) -> dict[str, bytes]:
    """Return files by name, secrets in clear."""
    return {name: data.reveal() if isinstance(data, Secret) else data for name, data in contents.items()}


def lay(folder: Path, contents: Contents) -> Path:
    """Write files into a folder as a run does, and return it."""
    files.private_folder(folder)
    files.fill(folder, contents)
    return folder


def tool(*words: str, folder: Path, stdin: bytes = b"") -> bytes:
    """Run the real thing in a folder, which must be content, and return what it printed."""
    result = subprocess.run(words, cwd=folder, input=stdin, capture_output=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr.decode(errors="replace")
    return result.stdout


def _signed(key: CertificatePublicKeyTypes, name: x509.Name, serial: int) -> x509.Certificate:
    issuer_key, issuer = _issuer()
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, name, key, serial)
    builder = builder.not_valid_before(now - timedelta(minutes=1)).not_valid_after(now + timedelta(days=365))
    builder = builder.add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
    return builder.sign(issuer_key, hashes.SHA256())
