"""CSRs for tests: P-256, since those are made in microseconds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["TestCsr", "make_csr"]


@dataclass(frozen=True, slots=True)
class TestCsr:
    """A CSR as PEM, with the hex SHA-256 of its DER SubjectPublicKeyInfo and its private key."""

    __test__ = False

    pem: str
    spki_sha256: str
    key: ec.EllipticCurvePrivateKey

    def again(self, common_name: str) -> str:
        """Return a CSR of the same key for another name, as PEM."""
        return _signed(self.key, common_name)


def make_csr(common_name: str, curve: ec.EllipticCurve | None = None) -> TestCsr:
    """Return a CSR for ``common_name`` with a fresh key, P-256 unless ``curve`` says otherwise."""
    key = ec.generate_private_key(ec.SECP256R1() if curve is None else curve)
    spki = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return TestCsr(_signed(key, common_name), hashlib.sha256(spki).hexdigest(), key)


def _signed(key: ec.EllipticCurvePrivateKey, common_name: str) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()
