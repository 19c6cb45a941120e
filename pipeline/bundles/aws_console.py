"""Files named as the AWS IoT console names what it lets people download with a new certificate.

They are those of "One-click certificate creation" and of "Create single thing" (AWS IoT Developer Guide, "Create
AWS IoT client certificates"): certificate, public and private key after the certificate's id, and Amazon's
roots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.bundles.root_files import named

if TYPE_CHECKING:
    from pipeline.bundles.parts import Contents, Parts
    from pipeline.secret import Secret

__all__ = ["contents"]


def contents(parts: Parts) -> Contents:
    """Return the files by name.

    The public key is a SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7). The private key is PKCS #8, where the
    console gives PKCS #1; a device that keeps its own key gets none. The console offers Amazon Root CA 1 and 3;
    all the roots that the endpoint may chain to are here.
    """
    name, pem = parts.certificate.certificate_id, parts.certificate.pem.encode("ascii")
    public_key = x509.load_pem_x509_certificate(pem).public_key()
    files: dict[str, bytes | Secret] = {
        f"{name}-certificate.pem.crt": pem,
        f"{name}-public.pem.key": public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    }
    if parts.key is not None:
        files[f"{name}-private.pem.key{parts.key.suffix}"] = parts.key.data
    for stem, root in named(parts.endpoint.roots):
        files[f"{stem}.pem"] = root.public_bytes(Encoding.PEM)
    return files
