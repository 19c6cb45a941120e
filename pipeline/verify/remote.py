"""One device on the account: its certificate, what that is attached to, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.aws.failures import CallError, Failure
from pipeline.codes import FindingCode
from pipeline.text import printable
from pipeline.verify.findings import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.aws.registry import Registry
    from pipeline.device import Certificate
    from pipeline.ledger import Entry

__all__ = ["Account"]


@dataclass(frozen=True, slots=True)
class Account:
    """The account that a run was made on. Only calls that change nothing are made.

    Attributes:
        registry: AWS IoT, whose budgets set the pace.
        active: Whether the run made its certificates active.
    """

    registry: Registry
    active: bool = True

    async def look(self, entry: Entry, certificate: Certificate) -> list[Finding]:
        """Return what of a device is not on the account as it should be.

        Args:
            entry: What the ledger says of it.
            certificate: Its certificate.

        Raises:
            RefusedError: AWS refused for all devices alike.
        """
        try:
            found = await self._certificate(entry, certificate)
            return found + await self._groups(entry)
        except CallError as error:
            if error.failure is Failure.FATAL:
                raise error.for_run() from error
            return [_finding(FindingCode.CALL_FAILED, error.message)]

    async def _certificate(self, entry: Entry, certificate: Certificate) -> list[Finding]:
        described = await self.registry.describe_certificate(certificate.certificate_id)
        if described is None:
            return [_finding(FindingCode.CERTIFICATE_UNKNOWN, "its certificate is not on the account")]
        things = await self.registry.list_principal_things(certificate.arn)
        policies = await self.registry.list_attached_policies(certificate.arn)
        return [
            *self._status(described.status),
            *_attachments(entry.device.thing_name, things),
            *_policies(entry.device.policy, policies),
        ]

    def _status(self, status: str) -> Iterator[Finding]:
        if self.active and status != "ACTIVE":
            yield _finding(FindingCode.NOT_ACTIVE, f"its certificate is {printable(status, 32)}, not ACTIVE")
        if not self.active and status != "INACTIVE":
            shown = printable(status, 32)
            yield _finding(
                FindingCode.NOT_INACTIVE, f"its certificate is {shown}, not INACTIVE as the run left it"
            )

    async def _groups(self, entry: Entry) -> list[Finding]:
        """See that the thing is in the groups that were asked for; it may be in others too."""
        if not entry.device.groups:
            return []
        name = entry.device.thing_name
        try:
            found = set(await self.registry.list_thing_groups_for_thing(name))
        except CallError as error:
            if error.code != "ResourceNotFoundException":
                raise
            return [_finding(FindingCode.THING_MISSING, "its thing is not on the account")]
        missing = [group for group in entry.device.groups if group not in found]
        return [
            _finding(FindingCode.GROUP_MISSING, f"it is not in the group {printable(group, 128)}")
            for group in missing
        ]


def _attachments(thing_name: str, things: Iterable[str]) -> Iterator[Finding]:
    if thing_name not in things:
        yield _finding(FindingCode.NOT_ATTACHED, "its certificate is not attached to its thing")
    for other in sorted(set(things) - {thing_name}):
        yield _finding(FindingCode.WRONG_THING, f"its certificate is attached to {printable(other, 128)} too")


def _policies(asked: str | None, policies: Iterable[str]) -> Iterator[Finding]:
    if asked is not None and asked not in policies:
        yield _finding(
            FindingCode.POLICY_MISSING, f"its certificate does not have the policy {printable(asked, 128)}"
        )
    for other in sorted(set(policies) - {asked}):
        shown = printable(other, 128)
        yield _finding(
            FindingCode.FOREIGN_POLICY, f"its certificate has the policy {shown}, which the run did not attach"
        )


def _finding(code: FindingCode, message: str) -> Finding:
    return Finding(Check.REMOTE, code, message)
