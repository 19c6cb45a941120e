"""The calls of AWS IoT that thingmill makes, in plain types.

Each method is one operation; the names are the API's. All raise ``CallError``, and ``StoppedError`` when the run
was asked to stop before the call went out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from pipeline.aws import answers
from pipeline.aws.failures import CallError, Failure
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from types_aiobotocore_iot.type_defs import CreateThingRequestTypeDef, ListCertificatesRequestTypeDef

    from pipeline.aws.caller import Caller
    from pipeline.aws.client import Clients
    from pipeline.device import Device, Issued

__all__ = ["ISSUE", "Identity", "Listed", "Registry", "Thing"]

ISSUE = "CreateCertificateFromCsr"
"""The scarce call, and the one that is not idempotent."""

_PAGE = 250
"""The most certificates that a page of ListCertificates may have."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the credentials belong to.

    Attributes:
        account: The account's number.
        arn: The user or role.
        clock: AWS's time, seconds of the epoch, when this machine's monotonic clock was at 0. Unlike a
            difference of wall clocks it still holds after the local one was set.
    """

    account: str
    arn: str
    clock: float


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
class Thing:
    """A thing as the registry has it."""

    name: str
    thing_type: str | None
    attributes: dict[str, str]
    billing_group: str | None


class Registry:
    """AWS IoT in one account and Region."""

    def __init__(self, clients: Clients, caller: Caller) -> None:
        self._clients = clients
        self._iot = clients.iot
        self._sts = clients.sts
        self._caller = caller
        self._call = caller.call
        self.region = clients.region

    def patient(self) -> Registry:
        """Return the same calls, carried through also when the run was asked to stop."""
        return Registry(self._clients, self._caller.patient())

    # The account

    async def get_caller_identity(self) -> Identity:
        """Return who we are."""
        answer = await self._call("GetCallerIdentity", self._sts.get_caller_identity)
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = parsedate_to_datetime(date).timestamp() if date else time.time()
        account, arn = (answers.required("GetCallerIdentity", answer, key) for key in ("Account", "Arn"))
        return Identity(printable(str(account)), printable(str(arn)), clock=now - time.monotonic())

    async def describe_endpoint(self) -> str:
        """Return the host name that devices connect to, with certificates of Amazon's own roots (Data-ATS)."""
        answer = await self._call(
            "DescribeEndpoint", lambda: self._iot.describe_endpoint(endpointType="iot:Data-ATS")
        )
        return str(answers.required("DescribeEndpoint", answer, "endpointAddress"))

    async def get_policy(self, name: str) -> str | None:
        """Return a policy's default document as JSON text, or None where there is no such policy."""
        answer = await self._found("GetPolicy", lambda: self._iot.get_policy(policyName=name))
        return None if answer is None else answer["policyDocument"]

    async def create_policy(self, name: str, document: str) -> None:
        """Make a policy."""
        await self._call("CreatePolicy", lambda: self._iot.create_policy(policyName=name, policyDocument=document))

    async def has_thing_type(self, name: str) -> bool:
        """Return whether a thing type exists and may be used (a deprecated one may not)."""
        answer = await self._found("DescribeThingType", lambda: self._iot.describe_thing_type(thingTypeName=name))
        return answer is not None and not answer.get("thingTypeMetadata", {}).get("deprecated", False)

    async def create_thing_type(self, name: str) -> None:
        """Make a thing type; the same one again succeeds."""
        await self._call("CreateThingType", lambda: self._iot.create_thing_type(thingTypeName=name))

    async def has_thing_group(self, name: str) -> bool:
        """Return whether a thing group exists."""
        describe = self._iot.describe_thing_group
        return await self._found("DescribeThingGroup", lambda: describe(thingGroupName=name)) is not None

    async def create_thing_group(self, name: str) -> None:
        """Make a static thing group; the same one again succeeds."""
        await self._call("CreateThingGroup", lambda: self._iot.create_thing_group(thingGroupName=name))

    async def has_billing_group(self, name: str) -> bool:
        """Return whether a billing group exists."""
        describe = self._iot.describe_billing_group
        return await self._found("DescribeBillingGroup", lambda: describe(billingGroupName=name)) is not None

    async def create_billing_group(self, name: str) -> None:
        """Make a billing group; the same one again succeeds."""
        await self._call("CreateBillingGroup", lambda: self._iot.create_billing_group(billingGroupName=name))

    # One device

    async def describe_thing(self, name: str) -> Thing | None:
        """Return a thing, or None where there is none."""
        answer = await self._found("DescribeThing", lambda: self._iot.describe_thing(thingName=name))
        if answer is None:
            return None
        return Thing(
            name=answer["thingName"],
            thing_type=answer.get("thingTypeName") or None,
            attributes=dict(answer.get("attributes") or {}),
            billing_group=answer.get("billingGroupName") or None,
        )

    async def create_thing(self, device: Device) -> None:
        """Make a thing with its type, attributes and billing group; the same one again succeeds."""
        request: CreateThingRequestTypeDef = {"thingName": device.thing_name}
        if device.thing_type:
            request["thingTypeName"] = device.thing_type
        if device.attributes:
            request["attributePayload"] = {"attributes": device.attributes}
        if device.billing_group:
            request["billingGroupName"] = device.billing_group
        await self._call("CreateThing", lambda: self._iot.create_thing(**request))

    async def add_thing_to_billing_group(self, thing: str, group: str) -> None:
        """Put a thing that exists into a billing group; again succeeds."""
        add = self._iot.add_thing_to_billing_group
        await self._call("AddThingToBillingGroup", lambda: add(thingName=thing, billingGroupName=group))

    async def list_thing_principals(self, thing: str) -> list[str]:
        """Return the ARNs of the principals attached to a thing (the first page: whether there is one)."""
        answer = await self._call("ListThingPrincipals", lambda: self._iot.list_thing_principals(thingName=thing))
        return answers.texts("ListThingPrincipals", answer, "principals")

    async def attach_thing_principal(self, thing: str, certificate_arn: str) -> None:
        """Attach a certificate to a thing; again succeeds."""
        attach = self._iot.attach_thing_principal
        await self._call("AttachThingPrincipal", lambda: attach(thingName=thing, principal=certificate_arn))

    async def add_thing_to_thing_group(self, thing: str, group: str) -> None:
        """Put a thing into a static group; again succeeds."""
        add = self._iot.add_thing_to_thing_group
        await self._call("AddThingToThingGroup", lambda: add(thingName=thing, thingGroupName=group))

    async def attach_policy(self, policy: str, certificate_arn: str) -> None:
        """Attach a policy to a certificate; again succeeds."""
        attach = self._iot.attach_policy
        await self._call("AttachPolicy", lambda: attach(policyName=policy, target=certificate_arn))

    # Certificates

    async def permit_certificate(self) -> None:
        """Wait until the budget allows one CreateCertificateFromCsr."""
        await self._caller.permit(ISSUE)

    async def create_certificate_from_csr(self, csr: str, *, active: bool) -> Issued:
        """Ask once, and only once, to have a CSR signed. Each call that is carried out issues a certificate."""
        answer = await self._caller.attempt(
            ISSUE,
            lambda: self._iot.create_certificate_from_csr(certificateSigningRequest=csr, setAsActive=active),
        )
        return answers.issued(answer)

    async def pause(self, retry: int) -> None:
        """Wait before a retry of ``create_certificate_from_csr``."""
        await self._caller.pause(retry)

    async def describe_certificate(self, certificate_id: str) -> Issued | None:
        """Return a certificate as the registry has it, or None where there is none."""
        answer = await self._found(
            "DescribeCertificate", lambda: self._iot.describe_certificate(certificateId=certificate_id)
        )
        if answer is None:
            return None
        description = answers.required("DescribeCertificate", answer, "certificateDescription")
        return answers.issued(description if isinstance(description, dict) else {})

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
        """Return the things that a certificate is attached to (the first page: whether there is one)."""
        answer = await self._call(
            "ListPrincipalThings", lambda: self._iot.list_principal_things(principal=certificate_arn)
        )
        return answers.texts("ListPrincipalThings", answer, "things")

    async def list_attached_policies(self, certificate_arn: str) -> list[str]:
        """Return the policies attached to a certificate (the first page: whether there is one)."""
        answer = await self._call(
            "ListAttachedPolicies", lambda: self._iot.list_attached_policies(target=certificate_arn)
        )
        return [str(policy) for policy in answers.required("ListAttachedPolicies", answer, "policies")]

    async def deactivate_certificate(self, certificate_id: str) -> None:
        """Set a certificate inactive: it can no longer connect."""
        update = self._iot.update_certificate
        await self._call("UpdateCertificate", lambda: update(certificateId=certificate_id, newStatus="INACTIVE"))

    async def delete_certificate(self, certificate_id: str) -> None:
        """Delete an inactive certificate that is attached to nothing; one that is gone already is no failure."""
        await self._found("DeleteCertificate", lambda: self._iot.delete_certificate(certificateId=certificate_id))

    async def _found(self, api: str, send: Callable[[], Awaitable[_T]]) -> _T | None:
        try:
            return await self._call(api, send)
        except CallError as error:
            if error.failure is Failure.REFUSED and error.code == "ResourceNotFoundException":
                return None
            raise
