"""The calls about a certificate: issued, looked at, given its authority, and taken away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.arns import CERTIFICATE_ID
from pipeline.aws import answers
from pipeline.aws.calls import Calls
from pipeline.aws.failures import CallError, Failure
from pipeline.codes import CallCode
from pipeline.device import Issued
from pipeline.text import printable

if TYPE_CHECKING:
    from types_aiobotocore_iot.type_defs import ListCertificatesRequestTypeDef

__all__ = ["ISSUE", "CertificateCalls", "Described", "Listed"]

ISSUE = "CreateCertificateFromCsr"
"""The scarce call, and the one that is not idempotent."""

_PAGE = 250
"""The most certificates that a page of ListCertificates may have."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A certificate in a list.

    Attributes:
        certificate_id: Its id.
        created_at: When it was issued, seconds of the epoch by AWS's clock.
    """

    certificate_id: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Described(Issued):
    """A certificate as the registry has it.

    Attributes:
        status: ``ACTIVE``, ``INACTIVE``, ``REVOKED``, ``PENDING_TRANSFER`` or another word of the API's.
    """

    status: str


class CertificateCalls(Calls):
    """Each method is one operation; the names are the API's."""

    async def permit_certificate(self) -> None:
        """Wait until the budget allows one CreateCertificateFromCsr."""
        await self._caller.permit(ISSUE)

    async def create_certificate_from_csr(self, csr: str, *, thing: str, active: bool) -> Issued:
        """Ask once, and only once, to have a CSR signed. Each call that is carried out issues a certificate.

        Args:
            csr: The PEM CSR.
            thing: Whose it is, for the audit trail alone.
            active: Whether the certificate may be used at once.
        """
        create = self._iot.create_certificate_from_csr
        answer = await self._caller.attempt(
            ISSUE, lambda: create(certificateSigningRequest=csr, setAsActive=active), thing=thing
        )
        return answers.issued(answer)

    async def pause(self, retry: int) -> None:
        """Wait before a retry of ``create_certificate_from_csr``."""
        await self._caller.pause(retry)

    async def describe_certificate(self, certificate_id: str) -> Described | None:
        """Return a certificate as the registry has it, or None where there is none."""
        _see_id("DescribeCertificate", certificate_id)
        answer = await self._found(
            "DescribeCertificate", lambda: self._iot.describe_certificate(certificateId=certificate_id)
        )
        if answer is None:
            return None
        found = answers.required("DescribeCertificate", answer, "certificateDescription")
        description = found if isinstance(found, dict) else {}
        issued = answers.issued(description)
        return Described(
            issued.certificate_id,
            issued.certificate_arn,
            issued.certificate_pem,
            answers.text(description.get("status")),
        )

    async def list_certificates(self, marker: str | None) -> tuple[list[Listed], str | None]:
        """Return a page of the account's certificates, newest first, and the marker of the next page.

        AWS IoT gives no key and no PEM here; a certificate may show up some seconds after it was issued.
        """
        more: ListCertificatesRequestTypeDef = {"pageSize": _PAGE, "ascendingOrder": False}
        if marker is not None:
            more["marker"] = marker
        answer = await self._call("ListCertificates", lambda: self._iot.list_certificates(**more))
        entries = answers.required("ListCertificates", answer, "certificates")
        try:
            page = [Listed(str(entry["certificateId"]), entry["creationDate"].timestamp()) for entry in entries]
        except (AttributeError, KeyError, TypeError) as error:
            raise answers.strange("ListCertificates") from error
        return page, answers.text(answer.get("nextMarker")) or None

    async def list_principal_things(self, certificate_arn: str) -> list[str]:
        """Return the things that a certificate is attached to."""
        ask = self._iot.list_principal_things
        found = await self._all(
            "ListPrincipalThings", lambda more: ask(principal=certificate_arn, **more), "things", "nextToken"
        )
        return [str(thing) for thing in found]

    async def list_attached_policies(self, certificate_arn: str) -> list[str]:
        """Return the names of the policies attached to a certificate."""
        ask = self._iot.list_attached_policies
        found = await self._all(
            "ListAttachedPolicies", lambda more: ask(target=certificate_arn, **more), "policies", "marker"
        )
        return [str(policy["policyName"]) for policy in found]

    async def attach_policy(self, policy: str, certificate_arn: str) -> None:
        """Attach a policy to a certificate; again succeeds."""
        attach = self._iot.attach_policy
        await self._call(
            "AttachPolicy",
            lambda: attach(policyName=policy, target=certificate_arn),
            policy=policy,
            certificate=certificate_arn,
        )

    async def detach_policy(self, policy: str, certificate_arn: str) -> None:
        """Detach a policy from a certificate; again succeeds."""
        detach = self._iot.detach_policy
        await self._found(
            "DetachPolicy",
            lambda: detach(policyName=policy, target=certificate_arn),
            policy=policy,
            certificate=certificate_arn,
        )

    async def deactivate_certificate(self, certificate_id: str) -> None:
        """Set a certificate inactive: it can no longer connect."""
        _see_id("UpdateCertificate", certificate_id)
        update = self._iot.update_certificate
        await self._call(
            "UpdateCertificate",
            lambda: update(certificateId=certificate_id, newStatus="INACTIVE"),
            certificate=certificate_id,
        )

    async def delete_certificate(self, certificate_id: str) -> None:
        """Delete an inactive certificate that is attached to nothing; one that is gone already is no failure."""
        _see_id("DeleteCertificate", certificate_id)
        await self._found(
            "DeleteCertificate",
            lambda: self._iot.delete_certificate(certificateId=certificate_id),
            certificate=certificate_id,
        )


def _see_id(api: str, certificate_id: str) -> None:
    """See that an id is one before it stands in a request's path: some come from a server's answers.

    Raises:
        CallError: It is none.
    """
    if not CERTIFICATE_ID.fullmatch(certificate_id):
        raise CallError(
            api, Failure.REFUSED, CallCode.STRANGE_CERTIFICATE_ID, f"{printable(certificate_id, 80)!r} is no id"
        )
