"""Routes of certificates, and of their attachment to things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.awsiot.limits import PAGE
from tests.support.awsiot.pages import page
from tests.support.awsiot.routes_things import with_token
from tests.support.awsiot.wire import Route

if TYPE_CHECKING:
    from tests.support.awsiot.account import Account
    from tests.support.awsiot.records import Certificate
    from tests.support.awsiot.wire import Answer, Request

__all__ = ["ROUTES"]


def _create_from_csr(account: Account, request: Request) -> Answer:
    certificate = account.store.issue(
        request.text("certificateSigningRequest"), active=request.flag("setAsActive"), wrong=request.wrong
    )
    return {
        "certificateArn": certificate.arn,
        "certificateId": certificate.certificate_id,
        "certificatePem": account.store.authority.answered(certificate.pem, request.wrong),
    }


def _summary(certificate: Certificate) -> Answer:
    return {
        "certificateArn": certificate.arn,
        "certificateId": certificate.certificate_id,
        "status": certificate.status,
        "certificateMode": "DEFAULT",
        "creationDate": certificate.created,
    }


def _describe(account: Account, request: Request) -> Answer:
    certificate = account.store.get(request.text("certificateId"))
    description = {
        **_summary(certificate),
        "certificatePem": certificate.pem,
        "ownedBy": account.arns.account_id,
        "lastModifiedDate": certificate.modified,
        "customerVersion": 1,
        "transferData": {},
        "generationId": certificate.generation_id,
        "validity": {"notBefore": certificate.not_before, "notAfter": certificate.not_after},
    }
    return {"certificateDescription": description}


def _list(account: Account, request: Request) -> Answer:
    size = request.number("pageSize")
    certificates, marker = account.store.list(
        request.optional("marker"), 25 if size is None else size, ascending=request.flag("ascendingOrder")
    )
    return with_token({"certificates": [_summary(found) for found in certificates]}, marker, "nextMarker")


def _update(account: Account, request: Request) -> Answer:
    account.store.update(request.text("certificateId"), request.text("newStatus"))
    return {}


def _delete(account: Account, request: Request) -> Answer:
    account.delete_certificate(request.text("certificateId"), force=request.flag("forceDelete"))
    return {}


def _attach(account: Account, request: Request) -> Answer:
    account.attach_principal(request.text("thingName"), request.text("principal"))
    return {}


def _detach(account: Account, request: Request) -> Answer:
    account.detach_principal(request.text("thingName"), request.text("principal"))
    return {}


def _list_thing_principals(account: Account, request: Request) -> Answer:
    thing = account.registry.thing(request.text("thingName"))
    size = request.number("maxResults")
    found, token = page(
        sorted(thing.principals), str, request.optional("nextToken"), PAGE if size is None else size
    )
    return with_token({"principals": found}, token)


def _list_principal_things(account: Account, request: Request) -> Answer:
    certificate = account.store.principal(request.text("principal"))
    size = request.number("maxResults")
    found, token = page(
        sorted(certificate.things), str, request.optional("nextToken"), PAGE if size is None else size
    )
    return with_token({"things": found}, token)


_PRINCIPAL = {"x-amzn-principal": "principal"}
_ONE = "/certificates/{certificateId}"
_OF_THING = "/things/{thingName}/principals"

ROUTES = (
    Route("CreateCertificateFromCsr", "POST", "/certificates", _create_from_csr, mutating=True),
    Route("ListCertificates", "GET", "/certificates", _list, renamed={"isAscendingOrder": "ascendingOrder"}),
    Route("DescribeCertificate", "GET", _ONE, _describe),
    Route("UpdateCertificate", "PUT", _ONE, _update, mutating=True),
    Route("DeleteCertificate", "DELETE", _ONE, _delete, mutating=True),
    Route("AttachThingPrincipal", "PUT", _OF_THING, _attach, mutating=True, renamed=_PRINCIPAL),
    Route("DetachThingPrincipal", "DELETE", _OF_THING, _detach, mutating=True, renamed=_PRINCIPAL),
    Route("ListThingPrincipals", "GET", _OF_THING, _list_thing_principals),
    Route("ListPrincipalThings", "GET", "/principals/things", _list_principal_things, renamed=_PRINCIPAL),
)
