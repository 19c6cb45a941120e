"""A certificate authority for one cluster, and certificates from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Authority"]


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@dataclass
class Authority:
    """Signs certificates for whoever may be in a cluster, and keeps all files in one folder."""

    folder: Path
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        ca = self._signed("cluster", self._key, authority=True)
        (self.folder / "ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))

    def issue(self, name: str) -> tuple[str, str]:
        """Return the paths of a new certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, private = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(self._signed(name, key).public_bytes(Encoding.PEM))
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return str(certificate), str(private)

    def client(self) -> dict[str, str]:
        """Return the variables by which Dask finds the certificates of a client."""
        certificate, key = self.issue("client")
        return {
            "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(self.folder / "ca.pem"),
            "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT": certificate,
            "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY": key,
        }

    def words(self, name: str) -> list[str]:
        """Return the options of a scheduler or worker that has a certificate of its own."""
        certificate, key = self.issue(name)
        ca = str(self.folder / "ca.pem")
        return ["--protocol", "tls", "--tls-ca-file", ca, "--tls-cert", certificate, "--tls-key", key]

    def _signed(self, name: str, key: ec.EllipticCurvePrivateKey, *, authority: bool = False) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named("cluster"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        return builder.sign(self._key, hashes.SHA256())
