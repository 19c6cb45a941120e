"""How many calls a second an account may make, by API operation.

Source: AWS General Reference, "AWS IoT Core endpoints and quotas", API throttling limits; the defaults of an
account, for large Regions and for smaller ones. What the account says wins over the table, ``--quota`` over both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULTS", "Grant", "granted", "parse"]

DEFAULTS: Mapping[str, tuple[float, float]] = {
    "AddThingToBillingGroup": (60, 60),
    "AddThingToThingGroup": (100, 60),
    "AttachPolicy": (15, 15),
    "AttachThingPrincipal": (100, 50),
    "CreateBillingGroup": (25, 25),
    "CreateCertificateFromCsr": (15, 15),
    "CreatePolicy": (10, 10),
    "CreateThing": (100, 50),
    "CreateThingGroup": (25, 25),
    "CreateThingType": (10, 10),
    "DeleteBillingGroup": (25, 25),
    "DeleteCertificate": (10, 10),
    "DeletePolicy": (10, 10),
    "DeleteThing": (100, 50),
    "DeleteThingGroup": (25, 25),
    "DescribeBillingGroup": (100, 100),
    "DescribeCertificate": (10, 10),
    "DescribeEndpoint": (10, 10),
    "DescribeThing": (350, 350),
    "DescribeThingGroup": (100, 100),
    "DescribeThingType": (10, 10),
    "DetachPolicy": (15, 15),
    "DetachThingPrincipal": (100, 50),
    "GetCallerIdentity": (100, 100),
    "GetPolicy": (10, 10),
    "ListAttachedPolicies": (15, 15),
    "ListCertificates": (10, 10),
    "ListPrincipalThings": (10, 10),
    "ListThingGroupsForThing": (10, 10),
    "ListThingPrincipals": (20, 10),
    "ListThingsInBillingGroup": (25, 25),
    "ListThingsInThingGroup": (25, 25),
    "UpdateCertificate": (10, 10),
}
"""Calls per second: in large Regions, in smaller ones."""

_SMALLER_REGIONS = frozenset(
    {
        "ap-east-1",
        "ap-southeast-5",
        "ca-central-1",
        "cn-northwest-1",
        "eu-north-1",
        "eu-south-2",
        "eu-west-3",
        "me-central-1",
        "me-south-1",
        "us-gov-east-1",
        "us-gov-west-1",
        "us-west-1",
    }
)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a run allows itself for one API operation.

    Attributes:
        rate: Calls per second.
        source: Where that is from: ``--quota``, ``account``, ``AWS default`` or ``table``.
    """

    rate: float
    source: str


def granted(
    region: str, overrides: Mapping[str, float], account: Mapping[str, Grant] | None = None
) -> dict[str, Grant]:
    """Return what a run may use, by API operation.

    Args:
        region: The AWS Region.
        overrides: What the user knows better; it wins.
        account: What the account said; the table serves for what it did not say.
    """
    column = 1 if region in _SMALLER_REGIONS else 0
    table = {api: Grant(float(rates[column]), "table") for api, rates in DEFAULTS.items()}
    given = {api: Grant(rate, "--quota") for api, rate in overrides.items()}
    return table | dict(account or {}) | given


def parse(option: str) -> tuple[str, float]:
    """Return what ``API=TPS`` says.

    Raises:
        UsageError: It is not of that form, or names an operation that thingmill never calls.
    """
    api, _, number = option.partition("=")
    known = {name.lower(): name for name in DEFAULTS}
    name = known.get(api.strip().lower())
    if name is None:
        raise UsageError(
            f"--quota {printable(option)}: no such operation",
            advice=f"choose one of {', '.join(sorted(DEFAULTS))}",
        )
    try:
        rate = float(number)
    except ValueError:
        rate = 0
    if not 0 < rate <= 100_000:
        raise UsageError(
            f"--quota {printable(option)}: calls per second are a number from above 0 to 100000",
            advice=f"for instance --quota {name}=50",
        )
    return name, rate
