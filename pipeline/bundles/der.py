"""Key, certificate, CSR and roots as DER, for firmware that has no PEM parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.bundles.opened import opened_key
from pipeline.bundles.root_files import named
from pipeline.secret import Secret

if TYPE_CHECKING:
    from pipeline.bundles.parts import Contents, Parts

__all__ = ["contents"]


def contents(parts: Parts) -> Contents:
    """Return the files by name: the key is a PrivateKeyInfo (PKCS #8, RFC 5958), one root is in each file.

    A device that keeps its own key gets none.

    Raises:
        DeviceError: The key is encrypted, or is none.
    """
    name = parts.device.thing_name
    certificate = x509.load_pem_x509_certificate(parts.certificate.pem.encode("ascii"))
    files: dict[str, bytes | Secret] = {
        # A thing's name has no dot, so none of these is the name of a root's file.
        f"{name}.cert.der": certificate.public_bytes(Encoding.DER),
        f"{name}.csr.der": x509.load_pem_x509_csr(parts.csr.encode("ascii")).public_bytes(Encoding.DER),
    }
    if parts.key is not None:
        key = opened_key(parts).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        files[f"{name}.key.der"] = Secret(key)
    for stem, root in named(parts.endpoint.roots):
        files[f"{stem}.der"] = root.public_bytes(Encoding.DER)
    return files
