"""The neighbours of AWS IoT that the tool asks: STS for who it is, Service Quotas and IAM for what it may.

All post to ``/``; the form field Action, or the header X-Amz-Target, says which operation is meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.awsiot.errors import AwsError
from tests.support.awsiot.wire import Protocol, Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.awsiot.account import Account
    from tests.support.awsiot.wire import Answer, Request

__all__ = ["BY_ACTION", "BY_TARGET"]

_CODE = "iotcore"


def _caller(account: Account, _request: Request) -> Answer:
    number = account.arns.account_id
    arn = f"arn:aws:iam::{number}:{account.caller}"
    if account.caller.startswith("role/"):
        arn = f"arn:aws:sts::{number}:assumed-role/{account.caller.rpartition('/')[2]}/session"
    elif account.caller.startswith("federated-user/"):
        arn = f"arn:aws:sts::{number}:{account.caller}"
    return {"Arn": arn, "UserId": "AIDAEXAMPLEUSERID0000", "Account": number}


def _simulated(account: Account, request: Request) -> Answer:
    """Answer as IAM does: a result for each operation, with one for each resource in it."""
    if request.text("PolicySourceArn") != f"arn:aws:iam::{account.arns.account_id}:{account.caller}":
        raise AwsError("NoSuchEntity", "there is no such user or role", status=404)
    results = []
    for action in request.texts("ActionNames"):
        decision, missing = account.iam.get(action, ("allowed", []))
        specific = [
            {"EvalResourceName": arn, "EvalResourceDecision": decision, "MissingContextValues": missing}
            for arn in request.texts("ResourceArns")
        ]
        results.append(
            {
                "EvalActionName": action,
                "EvalResourceName": specific[0]["EvalResourceName"],
                "EvalDecision": decision,
                "ResourceSpecificResults": specific,
            }
        )
    return {"EvaluationResults": results, "IsTruncated": False}


def _role(account: Account, request: Request) -> Answer:
    if account.caller.rpartition("/")[2] != request.text("RoleName"):
        raise AwsError("NoSuchEntity", "there is no such role", status=404)
    path, _, name = account.caller.removeprefix("role").rpartition("/")
    return {
        "Role": {
            "Path": f"{path}/",
            "RoleName": name,
            "RoleId": "AROAEXAMPLEROLEID0000",
            "Arn": f"arn:aws:iam::{account.arns.account_id}:{account.caller}",
            "CreateDate": "2025-01-01T00:00:00Z",
        }
    }


def _applied(account: Account, request: Request) -> Answer:
    return _quotas(account, request, account.quotas)


def _defaults(account: Account, request: Request) -> Answer:
    return _quotas(account, request, account.default_quotas)


def _quotas(account: Account, request: Request, values: Mapping[str, float]) -> Answer:
    if request.text("ServiceCode") != _CODE:
        raise AwsError("NoSuchResourceException", "there is no such service")
    start, size = int(request.optional("NextToken") or 0), request.number("MaxResults") or 100
    if not 1 <= size <= 100:
        raise AwsError("IllegalArgumentException", "MaxResults must be 1 to 100")
    shown = list(values.items())[start : start + size]
    code = f"arn:aws:servicequotas:{account.arns.region}:{account.arns.account_id}:{_CODE}"
    answer: Answer = {
        "Quotas": [
            {
                "ServiceCode": _CODE,
                "ServiceName": "AWS IoT Core",
                "QuotaArn": f"{code}/L-{start + index:08X}",
                "QuotaCode": f"L-{start + index:08X}",
                "QuotaName": name,
                "Value": value,
                "Unit": "None",
                "Adjustable": not name.startswith("DescribeEndpoint"),
                "GlobalQuota": False,
            }
            for index, (name, value) in enumerate(shown)
        ]
    }
    return {**answer, "NextToken": str(start + size)} if start + size < len(values) else answer


BY_ACTION = {
    operation: Route(operation, "POST", "/", effect, protocol=Protocol.QUERY)
    for operation, effect in (
        ("GetCallerIdentity", _caller),
        ("SimulatePrincipalPolicy", _simulated),
        ("GetRole", _role),
    )
}

BY_TARGET = {
    f"ServiceQuotasV20190624.{operation}": Route(operation, "POST", "/", effect, protocol=Protocol.JSON_1_1)
    for operation, effect in (
        ("ListServiceQuotas", _applied),
        ("ListAWSDefaultServiceQuotas", _defaults),
    )
}
