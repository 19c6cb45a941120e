"""The CSV that esp-secure-cert-tool makes an ``esp_secure_cert`` partition from, with everything inside it.

Keys and certificates stand in it as DER, in base64. As PEM an RSA-4096 key and the four Amazon roots do not go
into the tool's partition of 8 KiB; as DER they take 6.6 KiB. And since nothing is named by its path, the tool runs
anywhere: it leaves what it makes in the folder that it is run in, which should not be a bundle's.

The tool's manual names ``file`` and ``string`` for keys and certificates, but the tool takes ``base64`` for every
entry; a test holds that.
"""

from __future__ import annotations

import base64
import csv
import io
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.bundles.opened import opened_key
from pipeline.bundles.root_files import named
from pipeline.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.bundles.parts import Contents, Parts

__all__ = ["contents"]

_HEADER = (
    "tlv_type",
    "tlv_subtype",
    "data_value",
    "data_type",
    "priv_key_type",
    "algorithm",
    "key_size",
    "efuse_id",
    "efuse_key",
)
_NO_KEY = ("", "", "", "", "")
"""The last five columns of what is no private key."""


def contents(parts: Parts) -> Contents:
    """Return the CSV by name; it is a secret, unless the device keeps its key itself.

    The certificate and the key have subtype 0, and so has the first root; the others follow as 1, 2 and so on. The
    key is ``plaintext``: another kind (``rsa_ds``, ``ecdsa_peripheral``) is a matter of the chip, and of the line.

    Raises:
        DeviceError: The key is encrypted, or is none.
    """
    certificate = x509.load_pem_x509_certificate(parts.certificate.pem.encode("ascii"))
    rows = [_row("ESP_SECURE_CERT_DEV_CERT_TLV", 0, certificate.public_bytes(Encoding.DER))]
    if parts.key is not None:
        rows.append(_key_row(parts))
    for subtype, (_, root) in enumerate(named(parts.endpoint.roots)):
        rows.append(_row("ESP_SECURE_CERT_CA_CERT_TLV", subtype, root.public_bytes(Encoding.DER)))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_HEADER, *rows])
    table = text.getvalue().encode("ascii")
    return {f"{parts.device.thing_name}.esp_secure_cert.csv": table if parts.key is None else Secret(table)}


def _key_row(parts: Parts) -> Sequence[str]:
    key = opened_key(parts)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    algorithm = "RSA" if isinstance(key, rsa.RSAPrivateKey) else "ECDSA"
    return _row("ESP_SECURE_CERT_PRIV_KEY_TLV", 0, der, ("plaintext", algorithm, str(key.key_size), "", ""))


def _row(kind: str, subtype: int, der: bytes, about_key: Sequence[str] = _NO_KEY) -> Sequence[str]:
    return (kind, str(subtype), base64.b64encode(der).decode("ascii"), "base64", *about_key)
