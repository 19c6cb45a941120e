"""A certificate taken off the account: its authority first, then what it is attached to, then itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.aws.failures import CallError, Failure
from pipeline.text import printable

if TYPE_CHECKING:
    from pipeline.aws.registry import Registry

__all__ = ["withdraw"]

MOST_WAITS = 8
"""How often a deletion is tried that AWS IoT refuses because a detachment has not shown yet: it takes seconds."""

_NOT_YET = frozenset({"DeleteConflictException", "CertificateStateException"})


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
    if await registry.describe_certificate(identity) is None:
        return ""
    things = await registry.list_principal_things(certificate_arn)
    others = sorted(set(things) - {for_thing}) if for_thing is not None else []
    if for_thing is not None and others:
        await registry.detach_thing_principal(for_thing, certificate_arn)
        return f"other things have it too ({printable(others[0], 128)}), and keep it"
    for policy in await registry.list_attached_policies(certificate_arn):
        await registry.detach_policy(policy, certificate_arn)
    for thing in things:
        await registry.detach_thing_principal(thing, certificate_arn)
    await registry.deactivate_certificate(identity)
    return await _delete(registry, identity)


async def _delete(registry: Registry, certificate_id: str) -> str:
    for wait in range(1, MOST_WAITS + 1):
        try:
            await registry.delete_certificate(certificate_id)
        except CallError as error:
            if error.failure is not Failure.REFUSED or error.code not in _NOT_YET:
                raise
            reason = f"it was set inactive but not deleted: {error.reason}"
            await registry.pause(wait)
        else:
            return ""
    return reason
