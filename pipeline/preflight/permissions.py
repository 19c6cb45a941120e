"""Permissions: will AWS allow what this run is going to call? IAM is asked beforehand, where it may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.arns import ANY, Place
from pipeline.aws import simulation
from pipeline.aws.failures import CallError, Failure
from pipeline.aws.simulation import Verdict
from pipeline.counting import counted
from pipeline.errors import RefusedError
from pipeline.permissions import FREE, operations
from pipeline.preflight.finding import Finding
from pipeline.settings import Existing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pipeline.aws.registry import Identity, Registry
    from pipeline.manifest import Roster
    from pipeline.settings import Settings

__all__ = ["Simulated", "ask", "judge"]

_ABOUT = "permissions"
_MAKES = {
    "CreateThingType": "thing type",
    "CreateThingGroup": "thing group",
    "CreateBillingGroup": "billing group",
    "CreatePolicy": "policy",
}
"""What makes what ``account.look`` may find missing."""

_PERHAPS: Mapping[str, str] = {
    "CreateThing": "for things that are not there yet",
    "ListThingPrincipals": "for things that are there already, and with --part for each",
    "DetachThingPrincipal": "where another station is at work on the same things",
    "AddThingToBillingGroup": "for things that are there already and in no or another billing group",
    **dict.fromkeys(_MAKES, "for what is missing and is to be made"),
    **dict.fromkeys(
        (
            "DeleteCertificate",
            "DescribeCertificate",
            "ListAttachedPolicies",
            "ListCertificates",
            "ListPrincipalThings",
            "UpdateCertificate",
        ),
        "where a request gets no answer or a certificate fails inspection",
    ),
}
"""When a run needs what it need not come to call. All else it calls for certain, if it is ``_wanted``."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """What IAM said beforehand.

    Attributes:
        verdicts: By operation; empty where nothing was said.
        reason: Why nothing was said.
        worrying: Whether a person should hear that nothing was.
    """

    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    reason: str = ""
    worrying: bool = False


async def ask(registry: Registry, identity: Identity, settings: Settings, roster: Roster) -> Simulated:
    """Ask IAM about what the run will call. Whatever keeps IAM from answering is no failure."""
    if identity.arn.endswith(":root"):
        return Simulated(reason="the root user of an account is not asked about; it may do everything")
    principal = simulation.principal_of(identity.arn)
    if principal is None:
        return Simulated(
            reason=f"they cannot be checked beforehand for {identity.arn}: it is neither a user nor a role",
            worrying=registry.at_aws,
        )
    wanted = {f"iot:{operation}": operation for operation in _wanted(settings, roster)}
    resources = _resources(Place(registry.region, identity.account), roster)
    try:
        verdicts = await simulation.simulate(registry.open_iam, principal, wanted, resources, registry.region)
    except CallError as error:
        may_not = error.failure is Failure.FATAL
        role = " and, for the role's path, iam:GetRole" if ":role/" in principal else ""
        hint = f" (to have them checked, allow iam:SimulatePrincipalPolicy{role})" if may_not else ""
        return Simulated(
            reason=f"they could not be checked beforehand: {error.reason}{hint}",
            # An emulator need not know IAM; only a plain refusal says something there.
            worrying=may_not or registry.at_aws,
        )
    return Simulated({wanted[action]: verdict for action, verdict in verdicts.items()})


def judge(simulated: Simulated, missing: Mapping[str, tuple[str, ...]] | None, arn: str) -> Finding:
    """Refuse a run that AWS would certainly refuse half-way.

    Args:
        simulated: What IAM said.
        missing: What the account lacks, by kind, or None where that could not be found out.
        arn: Whose permissions these are.

    Raises:
        RefusedError: Operations are denied that the run certainly calls. Each that is denied is named, also
            those that it may do without.
    """
    if not simulated.verdicts:
        return Finding(_ABOUT, simulated.reason, simulated.worrying)
    needed = {
        operation: verdict
        for operation, verdict in simulated.verdicts.items()
        if missing is None or operation not in _MAKES or missing[_MAKES[operation]]
    }
    certain = {operation for operation in needed if _is_certain(operation, missing)}
    denied, unknown = _having(needed, Verdict.DENIED), _having(needed, Verdict.UNKNOWN)
    fatal = [operation for operation in denied if operation in certain]
    perhaps = _by_need(operation for operation in denied if operation not in certain)
    if fatal:
        raise RefusedError(
            f"IAM denies {arn} {len(fatal)} of the {counted(len(certain), 'operation')} that this run certainly "
            "needs",
            advice="allow them in an IAM policy (thingmill iam prints one that does), then run again",
            details=[f"denied: iot:{operation}" for operation in fatal]
            + [f"denied: {named}, needed {when}" for when, named in perhaps.items()],
        )
    open_ones = f"IAM cannot say beforehand whether it allows {', '.join(unknown)}" if unknown else ""
    if perhaps:
        told = "; ".join(f"{named}, needed {when}" for when, named in perhaps.items())
        rest = f"; {open_ones}" if open_ones else ""
        return Finding(_ABOUT, f"IAM denies {arn} {told}{rest}", worrying=True)
    return Finding(
        _ABOUT, open_ones or f"IAM allows all {counted(len(needed), 'operation')} that this run may need"
    )


def _is_certain(operation: str, missing: Mapping[str, Collection[str]] | None) -> bool:
    """Return whether a run calls an operation whatever it finds; what makes something, where that is missing."""
    if operation in _MAKES:
        return missing is not None and bool(missing[_MAKES[operation]])
    return operation not in _PERHAPS


def _by_need(denied: Iterable[str]) -> dict[str, str]:
    """Return operations in words, by when a run needs them."""
    named: dict[str, list[str]] = {}
    for operation in denied:
        named.setdefault(_PERHAPS[operation], []).append(f"iot:{operation}")
    return {when: ", ".join(operations) for when, operations in named.items()}


def _having(verdicts: Mapping[str, Verdict], verdict: Verdict) -> list[str]:
    return sorted(operation for operation, found in verdicts.items() if found is verdict)


def _wanted(settings: Settings, roster: Roster) -> set[str]:
    """Return the operations that this run may come to call and cannot do without when it does."""
    types, groups, billing = roster.thing_types(), roster.groups(), roster.billing_groups()
    create = settings.create_missing
    needed_for = {
        "AddThingToBillingGroup": billing,
        "AddThingToThingGroup": groups,
        "AttachPolicy": roster.policies(),
        "CreateBillingGroup": create and billing,
        "CreatePolicy": settings.policy_document,
        "CreateThingGroup": create and groups,
        "CreateThingType": create and types,
        "DescribeBillingGroup": billing,
        "DescribeThingGroup": groups,
        "DescribeThingType": types,
        "GetPolicy": roster.policies(),
        "DetachThingPrincipal": settings.gives_way,
        "ListThingPrincipals": settings.existing is not Existing.ADD,
    }
    unneeded = {operation for operation, used in needed_for.items() if not used}
    return set(operations(["run"]) - FREE - unneeded)


def _resources(place: Place, roster: Roster) -> list[str]:
    """Return one resource of each type that the run touches: a policy may allow only some names."""
    device = next(roster.devices(), None)
    named: dict[str, Iterable[str]] = {
        "thing": [device.thing_name] if device else [],
        "cert": ["0" * 64],
        "policy": roster.policies(),
        "thinggroup": roster.groups(),
        "thingtype": roster.thing_types(),
        "billinggroup": roster.billing_groups(),
    }
    first = [place.iot(f"{kind}/{next(iter(names))}") for kind, names in named.items() if names]
    return [*first, ANY]
