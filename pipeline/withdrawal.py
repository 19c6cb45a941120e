"""What a run put on the account, taken off it: a certificate, and the thing that was made for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.aws.failures import CallError, Failure
from pipeline.text import printable

if TYPE_CHECKING:
    from pipeline.aws.registry import Registry
    from pipeline.device import Device

__all__ = ["delete_thing", "withdraw"]

MOST_WAITS = 8
"""How often a deletion is tried that AWS IoT refuses because a detachment has not shown yet: it takes seconds."""

_NOT_YET = frozenset({"DeleteConflictException", "CertificateStateException"})
_POWERLESS = frozenset({"INACTIVE", "REVOKED"})
"""States of a certificate that cannot connect, and may be deleted."""


async def withdraw(registry: Registry, certificate_arn: str, *, for_thing: str | None = None) -> str:
    """Detach a certificate's policies and things, set it inactive and delete it.

    It may be done again after it was done or was cut short. The order is AWS IoT's (API reference,
    DeleteCertificate): only an inactive certificate that is attached to nothing can be deleted.

    Args:
        registry: AWS IoT, patient: a certificate is not left half withdrawn when the command is asked to stop.
        certificate_arn: The certificate.
        for_thing: Withdraw it for this thing alone: where other things have it too, they keep it.

    Returns:
        Why it stays, or "" when it is gone.

    Raises:
        CallError: AWS refused something.
    """
    identity = certificate_arn.rpartition("/")[2]
    described = await registry.describe_certificate(identity)
    if described is None:
        return ""
    things = await registry.list_principal_things(certificate_arn)
    others = sorted(set(things) - {for_thing}) if for_thing is not None else []
    if for_thing is not None and others:
        await registry.detach_thing_principal(for_thing, certificate_arn)
        return f"other things have it too ({printable(others[0], 128)}), and keep it"
    active, reason = described.status not in _POWERLESS, ""
    for wait in range(1, MOST_WAITS + 1):
        await _detach(registry, certificate_arn, things)
        if active:
            await registry.deactivate_certificate(identity)
        try:
            await registry.delete_certificate(identity)
        except CallError as error:
            if error.failure is not Failure.REFUSED or error.code not in _NOT_YET:
                raise
            reason = f"it was set inactive but not deleted: {error.reason}"
            active = error.code == "CertificateStateException"
        else:
            return ""
        await registry.pause(wait)
        # Lists lag behind attachments too: what the first one did not show yet is detached now.
        things = [for_thing] if for_thing is not None else await registry.list_principal_things(certificate_arn)
    return reason


async def _detach(registry: Registry, certificate_arn: str, things: list[str]) -> None:
    for policy in await registry.list_attached_policies(certificate_arn):
        await registry.detach_policy(policy, certificate_arn)
    for thing in things:
        await registry.detach_thing_principal(thing, certificate_arn)


async def delete_thing(registry: Registry, device: Device, certificate_arn: str | None, *, certain: bool) -> str:
    """Delete a thing that a run made, unless somebody else has come to rely on it.

    It may be done again after it was done or was cut short.

    Args:
        registry: AWS IoT, patient.
        device: The device whose thing it is.
        certificate_arn: Its certificate, withdrawn already, which lists may still show for some seconds.
        certain: Whether the thing is known to have been made. Where it was only about to be, one that is not as
            the run would have made it is somebody else's.

    Returns:
        Why it stays, or "" when it is gone.

    Raises:
        CallError: AWS refused something.
    """
    name, reason = device.thing_name, ""
    for wait in range(1, MOST_WAITS + 1):
        thing = await registry.describe_thing(name)
        if thing is None:
            return ""
        if not certain and not thing.is_as_made_for(device):
            return "the thing is there and is not as this run would have made it: it may be somebody else's"
        principals = set(await registry.list_thing_principals(name)) - {certificate_arn}
        if principals:
            return f"the thing has a principal that is not this run's: {printable(min(principals), 256)}"
        try:
            await registry.delete_thing(name)
        except CallError as error:
            # What AWS IoT answers while a principal is attached (API reference, DeleteThing).
            if error.failure is not Failure.REFUSED or error.code != "InvalidRequestException":
                raise
            reason = f"the thing was not deleted: {error.reason}"
        else:
            return ""
        await registry.pause(wait)
    return reason
