"""Which AWS operations each subcommand calls, and the least IAM policy that lets it.

A test runs every subcommand against a double of AWS IoT and holds this map against the calls that arrive there.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from pipeline.arns import ANY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.arns import Place

__all__ = ["FREE", "NEEDS", "OPTIONAL", "QUOTA_OPERATIONS", "calls", "iam_policy", "operations"]

FREE = frozenset({"GetCallerIdentity"})
"""What needs no permission: "no permissions are required" (AWS STS API reference, GetCallerIdentity)."""

QUOTA_OPERATIONS = ("ListServiceQuotas", "ListAWSDefaultServiceQuotas")
"""How the account's quotas are read (``aws.account_quotas``). Without them the defaults serve."""

_SIMULATE = "SimulatePrincipalPolicy"
"""How ``run`` finds out beforehand what it may do (``preflight.permissions``). Without it, it finds out later."""

_BEGIN = ("GetCallerIdentity",)
"""What every subcommand that goes to AWS begins with."""

_FIND = ("ListCertificates", "DescribeCertificate")
"""How a certificate without an answer is looked for (``reconcile``)."""

_REMOVE = ("ListPrincipalThings", "ListAttachedPolicies", "UpdateCertificate", "DeleteCertificate")
"""How a certificate that nothing hangs on is taken away (``removal``)."""

_WITHDRAW = ("DescribeCertificate", *_REMOVE, "DetachPolicy", "DetachThingPrincipal")
"""How a certificate is taken away that may be in use (``withdrawal``)."""

NEEDS: Mapping[str, tuple[str, ...]] = {
    "run": (
        *_BEGIN,
        "DescribeEndpoint",
        "DescribeThing",
        "CreateThing",
        "ListThingPrincipals",
        "CreateCertificateFromCsr",
        "AttachThingPrincipal",
        # To give way to another station (--part).
        "DetachThingPrincipal",
        "AddThingToThingGroup",
        "AddThingToBillingGroup",
        "AttachPolicy",
        "GetPolicy",
        "DescribeThingType",
        "DescribeThingGroup",
        "DescribeBillingGroup",
        # For --policy FILE.json, and for --create-missing.
        "CreatePolicy",
        "CreateThingType",
        "CreateThingGroup",
        "CreateBillingGroup",
        # To settle requests without an answer, and to take away what fails inspection.
        *_FIND,
        *_REMOVE,
    ),
    "plan": _BEGIN,
    "verify": (
        *_BEGIN,
        "DescribeCertificate",
        "ListPrincipalThings",
        "ListAttachedPolicies",
        "ListThingGroupsForThing",
    ),
    "reconcile": (*_BEGIN, *_FIND, *_REMOVE),
    "revoke": (
        *_BEGIN,
        *_FIND,
        *_WITHDRAW,
        "DescribeThing",
        "ListThingPrincipals",
        "DeleteThing",
        "DeletePolicy",
        "DeleteThingGroup",
        "DeleteBillingGroup",
        # Whether somebody else's things are in a group that the run made.
        "ListThingsInThingGroup",
        "ListThingsInBillingGroup",
    ),
    "retire": (*_BEGIN, *_WITHDRAW),
    "policy": _BEGIN,
    "iam": _BEGIN,
}
"""The operations of AWS IoT and STS by subcommand. One that is not here calls nothing on AWS."""

OPTIONAL: Mapping[str, tuple[str, ...]] = {
    command: (*QUOTA_OPERATIONS, _SIMULATE) if command == "run" else QUOTA_OPERATIONS for command in NEEDS
}
"""What a subcommand calls as well, and does without where it is refused."""

_RESOURCES: Mapping[str, tuple[str, ...]] = {
    "AddThingToBillingGroup": ("billinggroup", "thing"),
    "AddThingToThingGroup": ("thing", "thinggroup"),
    "AttachPolicy": ("cert",),
    "AttachThingPrincipal": ("cert", "thing"),
    "CreateBillingGroup": ("billinggroup",),
    "CreatePolicy": ("policy",),
    "CreateThing": ("billinggroup", "thing"),
    "CreateThingGroup": ("thinggroup",),
    "CreateThingType": ("thingtype",),
    "DeleteBillingGroup": ("billinggroup",),
    "DeleteCertificate": ("cert",),
    "DeletePolicy": ("policy",),
    "DeleteThing": ("thing",),
    "DeleteThingGroup": ("thinggroup",),
    "DescribeBillingGroup": ("billinggroup",),
    "DescribeCertificate": ("cert",),
    "DescribeThing": ("thing",),
    "DescribeThingGroup": ("thinggroup",),
    "DescribeThingType": ("thingtype",),
    "DetachPolicy": ("cert",),
    "DetachThingPrincipal": ("cert", "thing"),
    "GetPolicy": ("policy",),
    "ListPrincipalThings": ("cert",),
    "ListThingGroupsForThing": ("thing",),
    "ListThingPrincipals": ("thing",),
    "ListThingsInBillingGroup": ("billinggroup",),
    "ListThingsInThingGroup": ("thinggroup",),
    "UpdateCertificate": ("cert",),
    _SIMULATE: ("role", "user"),
}
"""The types of resource that an operation can be restricted to; what is left out takes ``*`` alone.

Source: Service Authorization Reference, "Actions, resources, and condition keys" for AWS IoT, for Service
Quotas and for AWS Identity and Access Management. Policies are attached to certificates only, so AttachPolicy
and DetachPolicy are not granted for thing groups. For AttachThingPrincipal and DetachThingPrincipal the
reference lists certificates; the thing is named as well, which grants nothing more where AWS looks at the
certificate, and is needed where the thing in the path is looked at, as emulators do.
"""


def operations(commands: Iterable[str]) -> frozenset[str]:
    """Return what subcommands cannot do without, the operations that need no permission included.

    Raises:
        KeyError: A subcommand calls nothing on AWS, or is none.
    """
    return frozenset(chain.from_iterable(NEEDS[command] for command in commands))


def calls(commands: Iterable[str]) -> frozenset[str]:
    """Return all that subcommands call.

    Raises:
        KeyError: As ``operations``.
    """
    return frozenset(chain.from_iterable((*NEEDS[command], *OPTIONAL[command]) for command in commands))


def iam_policy(commands: Iterable[str], place: Place) -> dict[str, Any]:
    """Return the IAM policy that allows what subcommands call, and nothing else.

    Args:
        commands: Keys of ``NEEDS``.
        place: Where: resources of other accounts and Regions are not allowed.

    Raises:
        KeyError: As ``operations``.
    """
    granted: dict[tuple[str, ...], list[str]] = {}
    for operation in calls(commands) - FREE:
        service = _service(operation)
        name = place.iam if service == "iam" else place.iot
        arns = tuple(name(f"{kind}/*") for kind in _RESOURCES.get(operation, ()))
        granted.setdefault(arns, []).append(f"{service}:{operation}")
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": sorted(actions), "Resource": list(arns) or ANY}
            for arns, actions in sorted(granted.items())
        ],
    }


def _service(operation: str) -> str:
    if operation in QUOTA_OPERATIONS:
        return "servicequotas"
    return "iam" if operation == _SIMULATE else "iot"
