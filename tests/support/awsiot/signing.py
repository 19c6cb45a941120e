"""The certificate authority of the double: CSRs in, certificates out, wrong ones on request.

As AWS IoT does: the subject is the CSR's, keyUsage is digitalSignature, validity ends at
2049-12-31T23:59:59Z, and every CSR signed gives another certificate. The CA's own key is P-256, which is
what makes it fast.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tests.support.awsiot.limits import CSR_CHARACTERS, invalid

__all__ = [
    "Authority",
    "CertificateKey",
    "ParsedCsr",
    "Signed",
    "Wrong",
    "common_name",
    "parse_csr",
    "spki_sha256",
]

CertificateKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_END = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
_CURVES = {"secp256r1", "secp384r1", "secp521r1"}
_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


class Wrong(enum.StrEnum):
    """Ways in which an issued certificate can be wrong."""

    GARBLED = "garbled"
    """The PEM of the answer does not decode; the certificate itself is right."""
    TWO_BLOCKS = "two-blocks"
    """The answer has a second PEM block, the CA's; the certificate itself is right."""
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    OTHER_KEY = "other-key"
    OTHER_NAME = "other-name"
    OTHER_ID = "other-id"
    """The certificateId is not the SHA-256 of the DER; the certificate is known by that id all the same."""


@dataclass(frozen=True, slots=True)
class ParsedCsr:
    """A CSR that passed AWS IoT's checks: its subject, its key and the hex SHA-256 of its SPKI."""

    subject: x509.Name
    key: CertificateKey
    spki: str


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate as signed: PEM, hex SHA-256 of the DER, hex SHA-256 of the SPKI, validity in epoch seconds."""

    pem: str
    fingerprint: str
    spki: str
    not_before: float
    not_after: float


def spki_sha256(key: CertificateKey) -> str:
    """Return the hex SHA-256 of a key's DER SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7)."""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(encoding, form)).hexdigest()


def common_name(subject: x509.Name) -> str:
    """Return the CN of a subject, or ``""``."""
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def parse_csr(pem: str) -> ParsedCsr:
    """Read a CSR as AWS IoT does.

    Raises:
        AwsError: InvalidRequestException for what is no CSR, has a bad signature or a key AWS IoT does not take.
    """
    if not 1 <= len(pem) <= CSR_CHARACTERS:
        invalid(f"a CSR has 1 to {CSR_CHARACTERS} characters")
    try:
        csr = x509.load_pem_x509_csr(pem.encode())
        key = csr.public_key()
        valid = csr.is_signature_valid
    except (ValueError, UnsupportedAlgorithm):
        invalid("the CSR cannot be parsed")
    if not valid:
        invalid("the signature of the CSR is not valid")
    if not isinstance(key, CertificateKey):
        invalid("the key of the CSR is neither RSA nor ECDSA")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        invalid("the RSA key of the CSR has fewer than 2048 bits")
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name not in _CURVES:
        invalid("the curve of the CSR's key is not P-256, P-384 or P-521")
    return ParsedCsr(csr.subject, key, spki_sha256(key))


class Authority:
    """A CA with a P-256 key of its own, made anew for each double."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._stranger = ec.generate_private_key(ec.SECP256R1()).public_key()
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "AWS IoT double")])
        self._issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        self.pem = self._own_certificate()

    def sign(self, csr: ParsedCsr, now: float, wrong: Wrong | None = None) -> Signed:
        """Sign a CSR.

        Args:
            csr: What to sign.
            now: Seconds since the epoch; the certificate is valid from a minute before.
            wrong: What is to be wrong with the certificate itself.
        """
        issued = datetime.fromtimestamp(int(now), UTC)
        start, end = issued - timedelta(minutes=1), _END
        subject, key = csr.subject, csr.key
        match wrong:
            case Wrong.EXPIRED:
                start, end = issued - timedelta(days=2), issued - timedelta(days=1)
            case Wrong.NOT_YET_VALID:
                start = issued + timedelta(days=1)
            case Wrong.OTHER_KEY:
                key = self._stranger
            case Wrong.OTHER_NAME:
                subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody-else")])
            case _:
                pass
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_USAGE, critical=True)
            .add_extension(self._issuer_id, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        der = certificate.public_bytes(serialization.Encoding.DER)
        return Signed(
            pem=certificate.public_bytes(serialization.Encoding.PEM).decode(),
            fingerprint=hashlib.sha256(der).hexdigest(),
            spki=spki_sha256(key),
            not_before=start.timestamp(),
            not_after=end.timestamp(),
        )

    def answered(self, pem: str, wrong: Wrong | None) -> str:
        """Return the PEM that an answer carries for a certificate: ``pem``, unless the answer is to be wrong."""
        match wrong:
            case Wrong.GARBLED:
                lines = pem.splitlines(keepends=True)
                return "".join([lines[0], lines[1][::-1], *lines[3:]])
            case Wrong.TWO_BLOCKS:
                return pem + self.pem
            case _:
                return pem

    def _own_certificate(self) -> str:
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(_END)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode()
