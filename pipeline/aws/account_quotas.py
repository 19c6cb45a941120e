"""The quotas that an account really has, read from Service Quotas.

Quotas are found by their names (``CreateCertificateFromCsr API TPS``): the codes that are published disagree
between sources. First the applied values, then AWS's defaults for what was never raised. Whoever may not read
them, or is on an emulator without them, gets the table (``quotas``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.aws.failures import sort
from pipeline.aws.quotas import DEFAULTS, Grant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from types_aiobotocore_service_quotas import ServiceQuotasClient
    from types_aiobotocore_service_quotas.type_defs import ServiceQuotaTypeDef

__all__ = ["read"]

_SERVICE = "iotcore"
_NAME = re.compile(r"(\w+) (?:API )?(?:TPS|transactions per second)", re.ASCII | re.IGNORECASE)


async def read(client: ServiceQuotasClient) -> dict[str, Grant]:
    """Return what the account grants, by API operation; empty where it cannot be read.

    Quotas that thingmill has no use for are left out, and so is an operation whose quota has another name than
    expected: the table serves for it.
    """
    grants: dict[str, Grant] = {}
    try:
        async for quota in _applied(client):
            _note(grants, quota, "account")
        if DEFAULTS.keys() - grants.keys():
            async for quota in _defaults(client):
                _note(grants, quota, "AWS default")
    except Exception as error:  # noqa: BLE001  sorted: what is no failure of a call is raised again
        sort("ListServiceQuotas", error)
    return grants


def _note(grants: dict[str, Grant], quota: ServiceQuotaTypeDef, source: str) -> None:
    named = _NAME.fullmatch(quota.get("QuotaName", "").strip())
    value = quota.get("Value", 0.0)
    if named is not None and named.group(1) in DEFAULTS and value > 0:
        grants.setdefault(named.group(1), Grant(float(value), source))


async def _applied(client: ServiceQuotasClient) -> AsyncIterator[ServiceQuotaTypeDef]:
    async for page in client.get_paginator("list_service_quotas").paginate(ServiceCode=_SERVICE):
        for quota in page["Quotas"]:
            yield quota


async def _defaults(client: ServiceQuotasClient) -> AsyncIterator[ServiceQuotaTypeDef]:
    async for page in client.get_paginator("list_aws_default_service_quotas").paginate(ServiceCode=_SERVICE):
        for quota in page["Quotas"]:
            yield quota
