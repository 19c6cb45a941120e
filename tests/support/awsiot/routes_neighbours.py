"""The two neighbours of AWS IoT that the tool asks: STS for who it is, Service Quotas for what it may.

Both post to ``/``; the form field Action, or the header X-Amz-Target, says which operation is meant.
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
    return {"Arn": f"arn:aws:iam::{number}:user/line-7", "UserId": "AIDAEXAMPLEUSERID0000", "Account": number}


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


BY_ACTION = {"GetCallerIdentity": Route("GetCallerIdentity", "POST", "/", _caller, protocol=Protocol.QUERY)}

BY_TARGET = {
    f"ServiceQuotasV20190624.{operation}": Route(operation, "POST", "/", effect, protocol=Protocol.JSON_1_1)
    for operation, effect in (
        ("ListServiceQuotas", _applied),
        ("ListAWSDefaultServiceQuotas", _defaults),
    )
}
