"""An issued certificate held against its CSR: nothing is trusted unchecked.

What must hold: one PEM block, which is a certificate; its public key is the CSR's; its common name is the one
asked for; it is valid now; the id that AWS IoT gave it is the SHA-256 of its DER. The issuer and the expiry are
not asserted: an account may have a certificate provider of its own.
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from pipeline.arns import CERTIFICATE_ARN
from pipeline.codes import DeviceCode
from pipeline.device import Certificate
from pipeline.errors import DeviceError
from pipeline.keys import spki_sha256
from pipeline.text import printable

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from pipeline.device import Issued

__all__ = ["inspect", "public_key_hash"]

_PROVIDER = (
    "look at the account's certificate provider or at what --endpoint-url leads to, then run again to ask anew"
)
_TIME = "look at this machine's clock and at the account's certificate provider, then run again to ask anew"

SKEW = timedelta(minutes=5)
"""How far the local clock may be behind the one that dated the certificate (Kerberos' customary bound)."""

_ONE_PEM = re.compile(r"\s*-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*", re.ASCII)


def inspect(issued: Issued, spki: str, common_name: str, now: datetime) -> Certificate:
    """Return the certificate if everything holds.

    Args:
        issued: What CreateCertificateFromCsr answered.
        spki: Hex SHA-256 of the CSR's SubjectPublicKeyInfo.
        common_name: The CN that was asked for.
        now: The time now, aware.

    Raises:
        DeviceError: Something does not hold; its step is 5 and its code says what.
    """
    certificate, public_key = _parse(issued.certificate_pem)
    if spki_sha256(public_key) != spki:
        raise _rejected(DeviceCode.WRONG_KEY, "the certificate is for another key than the CSR's")
    names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [common_name]:
        found = ", ".join(printable(name, 80) for name in names) or "none"
        raise _rejected(
            DeviceCode.WRONG_COMMON_NAME, f"the certificate's common name is {found}, not {common_name}"
        )
    if not certificate.not_valid_before_utc - SKEW <= now <= certificate.not_valid_after_utc:
        first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        raise _rejected(
            DeviceCode.NOT_VALID_NOW,
            f"the certificate is valid from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC",
        )
    digest = certificate.fingerprint(hashes.SHA256()).hex()
    arn = CERTIFICATE_ARN.fullmatch(issued.certificate_arn)
    if issued.certificate_id != digest or arn is None or arn.group(1) != digest:
        raise _rejected(DeviceCode.WRONG_CERTIFICATE_ID, "the certificate's id is not the SHA-256 of its DER")
    return Certificate(
        certificate_id=digest,
        arn=issued.certificate_arn,
        pem=issued.certificate_pem.strip() + "\n",
        not_after=certificate.not_valid_after_utc.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def public_key_hash(pem: str) -> str | None:
    """Return the SPKI hash of a certificate that AWS IoT describes, or None where it is no certificate."""
    try:
        return spki_sha256(_parse(pem)[1])
    except DeviceError:
        return None


def _parse(pem: str) -> tuple[x509.Certificate, CertificatePublicKeyTypes]:
    if not _ONE_PEM.fullmatch(pem):
        raise _rejected(DeviceCode.NOT_ONE_PEM, "the answer does not hold exactly one PEM certificate")
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode("ascii"))
        return certificate, certificate.public_key()
    except Exception as error:  # parsers of ASN.1 raise many kinds; any of them means the same here
        raise _rejected(
            DeviceCode.GARBLED_CERTIFICATE, "the answer's PEM block is no certificate that can be read"
        ) from error


def _rejected(code: DeviceCode, message: str) -> DeviceError:
    """Return what fails the device. Who takes the certificate away puts that before the advice."""
    return DeviceError(5, code, message, advice=_TIME if code is DeviceCode.NOT_VALID_NOW else _PROVIDER)
