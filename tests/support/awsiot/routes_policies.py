"""Routes of policies, and the account's endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.awsiot.limits import PAGE, invalid
from tests.support.awsiot.pages import page
from tests.support.awsiot.routes_things import with_token
from tests.support.awsiot.wire import Route

if TYPE_CHECKING:
    from tests.support.awsiot.account import Account
    from tests.support.awsiot.wire import Answer, Request

__all__ = ["ROUTES"]

_ENDPOINTS = {
    "iot:Data": "a1b2c3d4e5f6g7.iot",
    "iot:Data-ATS": "a1b2c3d4e5f6g7-ats.iot",
    "iot:CredentialProvider": "a1b2c3d4e5f6g7.credentials.iot",
    "iot:Jobs": "a1b2c3d4e5f6g7.jobs.iot",
}


def _create(account: Account, request: Request) -> Answer:
    policy = account.create_policy(request.text("policyName"), request.text("policyDocument"))
    return {
        "policyName": policy.name,
        "policyArn": policy.arn,
        "policyDocument": policy.document,
        "policyVersionId": "1",
    }


def _get(account: Account, request: Request) -> Answer:
    policy = account.policy(request.text("policyName"))
    return {
        "policyName": policy.name,
        "policyArn": policy.arn,
        "policyDocument": policy.document,
        "defaultVersionId": "1",
        "creationDate": policy.created,
        "lastModifiedDate": policy.created,
        "generationId": policy.generation_id,
    }


def _delete(account: Account, request: Request) -> Answer:
    account.delete_policy(request.text("policyName"))
    return {}


def _attach(account: Account, request: Request) -> Answer:
    account.attach_policy(request.text("policyName"), request.text("target"))
    return {}


def _detach(account: Account, request: Request) -> Answer:
    account.detach_policy(request.text("policyName"), request.text("target"))
    return {}


def _list_attached(account: Account, request: Request) -> Answer:
    names, marker = page(sorted(account.attached(request.text("target"))), str, *_place(request))
    policies = [{"policyName": name, "policyArn": account.policies[name].arn} for name in names]
    return with_token({"policies": policies}, marker, "nextMarker")


def _list_targets(account: Account, request: Request) -> Answer:
    targets, marker = page(sorted(account.policy(request.text("policyName")).targets), str, *_place(request))
    return with_token({"targets": targets}, marker, "nextMarker")


def _describe_endpoint(account: Account, request: Request) -> Answer:
    kind = request.optional("endpointType") or "iot:Data"
    if kind not in _ENDPOINTS:
        invalid(f"there is no endpoint of type {kind}")
    return {"endpointAddress": f"{_ENDPOINTS[kind]}.{account.arns.region}.amazonaws.com"}


def _place(request: Request) -> tuple[str | None, int]:
    size = request.number("pageSize")
    return request.optional("marker"), PAGE if size is None else size


ROUTES = (
    Route("CreatePolicy", "POST", "/policies/{policyName}", _create, mutating=True),
    Route("GetPolicy", "GET", "/policies/{policyName}", _get),
    Route("DeletePolicy", "DELETE", "/policies/{policyName}", _delete, mutating=True),
    Route("AttachPolicy", "PUT", "/target-policies/{policyName}", _attach, mutating=True),
    Route("DetachPolicy", "POST", "/target-policies/{policyName}", _detach, mutating=True),
    Route("ListAttachedPolicies", "POST", "/attached-policies/{target}", _list_attached),
    Route("ListTargetsForPolicy", "POST", "/policy-targets/{policyName}", _list_targets),
    Route("DescribeEndpoint", "GET", "/endpoint", _describe_endpoint),
)
