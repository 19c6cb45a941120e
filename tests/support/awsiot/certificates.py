"""Certificates: issued from CSRs, listed late if asked to, described, deactivated and deleted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.awsiot.errors import AwsError, not_found
from tests.support.awsiot.limits import invalid
from tests.support.awsiot.pages import page
from tests.support.awsiot.records import Certificate
from tests.support.awsiot.signing import Authority, Wrong, common_name, parse_csr

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.awsiot.records import Arns

__all__ = ["CertificateStore", "ListingLag"]

_STATUSES = frozenset({"ACTIVE", "INACTIVE", "REVOKED"})


@dataclass(slots=True)
class ListingLag:
    """How late ListCertificates shows a certificate that is issued from now on.

    Attributes:
        calls: This many calls of ListCertificates do not show it yet.
        seconds: For so long, by the double's clock, no call shows it.
    """

    calls: int = 0
    seconds: float = 0.0


class CertificateStore:
    """The certificates of one account.

    Args:
        arns: Makes ARNs.
        clock: Seconds since the epoch.
    """

    def __init__(self, arns: Arns, clock: Callable[[], float]) -> None:
        self.certificates: dict[str, Certificate] = {}
        self.authority = Authority()
        self.lag = ListingLag()
        self._arns = arns
        self._clock = clock
        self._issued = 0
        self._listings = 0

    def issue(self, csr_pem: str, *, active: bool, wrong: Wrong | None = None) -> Certificate:
        """Sign a CSR: each call gives a distinct certificate, the same CSR's too.

        Raises:
            AwsError: InvalidRequestException, see ``signing.parse_csr``.
        """
        csr = parse_csr(csr_pem)
        now = self._clock()
        signed = self.authority.sign(csr, now, wrong)
        certificate_id = signed.fingerprint
        if wrong is Wrong.OTHER_ID:
            certificate_id = hashlib.sha256(certificate_id.encode()).hexdigest()
        self._issued += 1
        certificate = Certificate(
            certificate_id=certificate_id,
            arn=self._arns.of("cert", certificate_id),
            pem=signed.pem,
            common_name=common_name(csr.subject),
            csr_spki=csr.spki,
            spki=signed.spki,
            status="ACTIVE" if active else "INACTIVE",
            created=now,
            not_before=signed.not_before,
            not_after=signed.not_after,
            sequence=self._issued,
            listed_from=self._listings + self.lag.calls + 1,
            listed_at=now + self.lag.seconds,
            modified=now,
        )
        self.certificates[certificate_id] = certificate
        return certificate

    def get(self, certificate_id: str) -> Certificate:
        """Return a certificate, or raise ResourceNotFoundException."""
        certificate = self.certificates.get(certificate_id)
        if certificate is None:
            raise not_found("certificate", certificate_id)
        return certificate

    def principal(self, arn: str) -> Certificate:
        """Return the certificate that an ARN names.

        Raises:
            AwsError: InvalidRequestException for an ARN of another kind, ResourceNotFoundException.
        """
        prefix, _, certificate_id = arn.partition(":cert/")
        if not certificate_id or not prefix.startswith("arn:aws"):
            invalid(f"{arn} is not the ARN of a certificate")
        return self.get(certificate_id)

    def list(self, token: str | None, size: int, *, ascending: bool) -> tuple[list[Certificate], str | None]:
        """Return one page, the newest first unless ``ascending``, and the marker of the next page."""
        self._listings += 1
        now = self._clock()
        every = self.certificates.values()  # in the order of issuance, as a dict keeps it
        shown = (
            certificate
            for certificate in (every if ascending else reversed(every))
            if certificate.listed_from <= self._listings and certificate.listed_at <= now
        )
        return page(shown, lambda found: f"{found.sequence:012}", token, size, descending=not ascending)

    def update(self, certificate_id: str, status: str) -> None:
        """Set the status; a revoked certificate stays so."""
        certificate = self.get(certificate_id)
        if status not in _STATUSES:
            invalid(f"a certificate cannot be set to {status}")
        if certificate.status == "REVOKED" and status != "REVOKED":
            raise AwsError("CertificateStateException", "the certificate is revoked")
        certificate.status = status
        certificate.modified = self._clock()

    def delete(self, certificate_id: str, *, force: bool) -> None:
        """Delete a certificate that is not active and has nothing attached; ``force`` overlooks policies.

        Raises:
            AwsError: DeleteConflictException while something is attached, CertificateStateException while active.
        """
        certificate = self.get(certificate_id)
        if certificate.things or (certificate.policies and not force):
            message = "things or policies must be detached before the certificate can be deleted"
            raise AwsError("DeleteConflictException", message)
        if certificate.status == "ACTIVE":
            raise AwsError("CertificateStateException", "the certificate must be deactivated first")
        del self.certificates[certificate_id]
