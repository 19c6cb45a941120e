"""Asking IAM beforehand what credentials may do: SimulatePrincipalPolicy.

Source: IAM API reference, SimulatePrincipalPolicy. It looks at the policies of a user or a role, at permissions
boundaries and at service control policies; not at the policies of a session, and not at conditions whose values it
is not given. So "allowed" here is no promise, and only a denial that no condition could lift is taken as one. Of
conditions in service control policies and permissions boundaries it need not tell which values it lacked: where an
organization keeps to some Regions, even administrators are denied, with no value missing. What these two do not
allow is therefore left open.
"""

from __future__ import annotations

import enum
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import anyio

from pipeline.aws import answers
from pipeline.aws.failures import CallError, Failure, sort
from pipeline.codes import CallCode
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

__all__ = ["LONGEST_SECONDS", "Verdict", "principal_of", "simulate"]

API = "SimulatePrincipalPolicy"

LONGEST_SECONDS = 5.0
"""How long a question waits that a run can do without."""

_BOUNDS = (
    ("OrganizationsDecisionDetail", "AllowedByOrganizations"),
    ("PermissionsBoundaryDecisionDetail", "AllowedByPermissionsBoundary"),
)
"""Where a result says that it was not, or not only, the policies of the principal that denied."""

_MOST_PAGES = 10
_PAGE = 1000
"""The most that a page may have (``MaxItems``)."""

_USER = re.compile(r"arn:[\w-]+:iam::\d{12}:user/.+", re.ASCII)
_SESSION = re.compile(r"arn:([\w-]+):sts::(\d{12}):assumed-role/([\w+=,.@-]+)/.+", re.ASCII)


class Verdict(enum.Enum):
    """What IAM said of an operation."""

    ALLOWED = "allowed"
    """On one at least of the resources that were asked about."""
    DENIED = "denied"
    """On each of them, and no condition could change it."""
    UNKNOWN = "unknown"
    """Conditions decide whose values are known only in a call, or may; or not all was answered."""


def principal_of(arn: str) -> str | None:
    """Return the ARN of the user or role to ask about, or None where there is none (root, federated users).

    The session of a role does not tell the role's path; the ARN is then that of the role without one.

    >>> principal_of("arn:aws:sts::123456789012:assumed-role/factory/line-7")
    'arn:aws:iam::123456789012:role/factory'
    """
    if _USER.fullmatch(arn):
        return arn
    session = _SESSION.fullmatch(arn)
    return f"arn:{session[1]}:iam::{session[2]}:role/{session[3]}" if session else None


async def simulate(
    open_iam: Callable[[], AbstractAsyncContextManager[Any]],
    principal: str,
    actions: Iterable[str],
    resources: Sequence[str],
    region: str,
) -> dict[str, Verdict]:
    """Return what IAM says of each action, within ``LONGEST_SECONDS``.

    Args:
        open_iam: Opens a client of IAM.
        principal: From ``principal_of``.
        actions: For instance ``iot:CreateThing``.
        resources: ARNs; each action is asked about with each.
        region: Where the calls will go, for conditions on it.

    Raises:
        CallError: There was no answer, or a refusal: these credentials may not ask.
    """
    asked = sorted(actions)
    request = {
        "ActionNames": asked,
        "ResourceArns": list(resources),
        "ContextEntries": [
            _condition("aws:RequestedRegion", region, "string"),
            _condition("aws:SecureTransport", "true", "boolean"),
        ],
        "MaxItems": _PAGE,
    }
    try:
        async with open_iam() as iam:
            with anyio.move_on_after(LONGEST_SECONDS):
                return _verdicts(asked, set(resources), await _ask(iam, principal, request))
    except (CallError, UsageError):
        raise
    except Exception as error:  # sorted: what is no failure of a call is raised again
        raise sort(API, error) from error
    raise CallError(API, Failure.UNANSWERED, CallCode.TIMED_OUT, f"no answer within {LONGEST_SECONDS:g} s")


async def _ask(iam: Any, principal: str, request: dict[str, Any]) -> list[dict[str, Any]]:  # noqa: ANN401  no types for IAM
    try:
        return await _pages(iam, {"PolicySourceArn": principal} | request)
    except iam.exceptions.NoSuchEntityException:
        if ":role/" not in principal:
            raise
        # A role with a path, as those of SSO have: only IAM knows which.
        role = await iam.get_role(RoleName=principal.rpartition("/")[2])
        arn = answers.required("GetRole", role.get("Role", {}), "Arn")
        return await _pages(iam, {"PolicySourceArn": arn} | request)


async def _pages(iam: Any, request: dict[str, Any]) -> list[dict[str, Any]]:  # noqa: ANN401  no types for IAM
    results: list[dict[str, Any]] = []
    more: dict[str, Any] = {}
    for _ in range(_MOST_PAGES):
        answer = await iam.simulate_principal_policy(**request, **more)
        results += answer.get("EvaluationResults", [])
        if not answer.get("IsTruncated") or not answer.get("Marker"):
            break
        more = {"Marker": answer["Marker"]}
    return results


def _condition(key: str, value: str, kind: str) -> dict[str, object]:
    return {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": kind}


def _verdicts(
    actions: Iterable[str], resources: set[str], results: Iterable[Mapping[str, Any]]
) -> dict[str, Verdict]:
    """Fold results into one by action; they come by action and resource, or by action with a list by resource."""
    decisions: defaultdict[str, dict[str, Verdict]] = defaultdict(dict)
    for result in results:
        single = {
            "EvalResourceName": result.get("EvalResourceName", ""),
            "EvalResourceDecision": result.get("EvalDecision", ""),
            "MissingContextValues": result.get("MissingContextValues"),
        }
        for part in result.get("ResourceSpecificResults") or [single]:
            denied = Verdict.UNKNOWN if _is_open(part) or _is_open(result) else Verdict.DENIED
            allowed = part.get("EvalResourceDecision") == "allowed"
            found = Verdict.ALLOWED if allowed else denied
            decisions[str(result.get("EvalActionName", ""))][str(part.get("EvalResourceName", ""))] = found
    return {action: _fold(decisions[action], resources) for action in actions}


def _is_open(result: Mapping[str, Any]) -> bool:
    """Return whether conditions may turn a denial around in a call."""
    bounded = any((result.get(detail) or {}).get(allowed) is False for detail, allowed in _BOUNDS)
    return bounded or bool(result.get("MissingContextValues"))


def _fold(by_resource: Mapping[str, Verdict], resources: set[str]) -> Verdict:
    found = set(by_resource.values())
    if Verdict.ALLOWED in found:
        return Verdict.ALLOWED
    return Verdict.DENIED if found == {Verdict.DENIED} and by_resource.keys() >= resources else Verdict.UNKNOWN
