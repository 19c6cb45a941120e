"""One PKCS #12 file (RFC 7292) with key, certificate and roots, for what imports a .p12 or .pfx.

With a password, key and certificates are encrypted with AES-256-CBC under PBES2 (RFC 8018) and the MAC is HMAC
with SHA-256. OpenSSL reads that since 1.0.0, Java since 8u301, Windows since Server 2019 and 10 version 1709.
The older 3DES and RC2 would please yet older readers, but OpenSSL 3 takes RC2 only from its legacy provider.
Without a password nothing is encrypted, and the MAC is made with the empty one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from pipeline.bundles.opened import opened_key
from pipeline.bundles.root_files import named
from pipeline.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.serialization import KeySerializationEncryption

    from pipeline.bundles.parts import Contents, Parts

__all__ = ["contents", "matches"]

_ROUNDS = 20_000
"""Iterations of PBKDF2: some milliseconds a file. The MAC has 2,048 whatever is said here, so more of them would
not make a weak password a good one."""


def contents(parts: Parts) -> Contents:
    """Return the file by name. Made again it has other bytes: salts are random.

    Key and certificate have the thing's name as friendly name, the roots that of their file.

    Raises:
        DeviceError: The key is encrypted, or is none.
    """
    name = parts.device.thing_name
    data = pkcs12.serialize_key_and_certificates(
        name.encode("ascii"),
        opened_key(parts),
        x509.load_pem_x509_certificate(parts.certificate.pem.encode("ascii")),
        [pkcs12.PKCS12Certificate(root, stem.encode("ascii")) for stem, root in named(parts.endpoint.roots)],
        _encryption(parts.password),
    )
    return {f"{name}.p12": Secret(data)}


def matches(parts: Parts, found: Mapping[str, bytes]) -> bool:
    """Whether a file that was made earlier opens with the password of ``parts`` and holds the same.

    Raises:
        DeviceError: The key is encrypted, or is none.
    """
    name = parts.device.thing_name
    password = None if parts.password is None else parts.password.reveal()
    try:
        inside = pkcs12.load_pkcs12(found[f"{name}.p12"], password)
    except ValueError:
        return False
    if inside.key is None or inside.cert is None:
        return False
    plain = (Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return (
        inside.cert.friendly_name == name.encode("ascii")
        and inside.cert.certificate.public_bytes(Encoding.PEM) == _canonical(parts.certificate.pem)
        and {extra.certificate for extra in inside.additional_certs}
        == {root for _, root in named(parts.endpoint.roots)}
        and inside.key.private_bytes(*plain) == opened_key(parts).private_bytes(*plain)
    )


def _encryption(password: Secret | None) -> KeySerializationEncryption:
    if password is None:
        return NoEncryption()
    builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(_ROUNDS)
    builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC).hmac_hash(hashes.SHA256())
    return builder.build(password.reveal())


def _canonical(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode("ascii")).public_bytes(Encoding.PEM)
