"""One account: things, certificates and policies, and the links between them.

This is what a checker looks at when a run is over.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, TypeVar

from tests.support.awsiot.certificates import CertificateStore
from tests.support.awsiot.errors import AwsError, not_found
from tests.support.awsiot.limits import POLICIES_PER_TARGET, check_policy_name
from tests.support.awsiot.records import Policy
from tests.support.awsiot.things import ThingRegistry

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.awsiot.records import Arns, Certificate

__all__ = ["Account"]

K = TypeVar("K")


class Account:
    """The state of one account in one Region.

    Args:
        arns: Its Region and number.
        clock: Seconds since the epoch.

    Attributes:
        registry: Things, types and groups.
        store: Certificates.
        policies: By name.
        quotas: What Service Quotas says was granted, by quota name.
        default_quotas: What it says everybody has, by quota name.
        caller: Whose credentials are used, as the end of an ARN: ``user/…``, ``role/…`` with its path (then in a
            session), ``federated-user/…`` or ``root``.
        iam: What IAM says beforehand of an operation, by ``iot:Name``: its decision, and the condition keys that
            it would have to know. What is left out is allowed.
    """

    def __init__(self, arns: Arns, clock: Callable[[], float]) -> None:
        self.arns = arns
        self.registry = ThingRegistry(arns, clock)
        self.store = CertificateStore(arns, clock)
        self.policies: dict[str, Policy] = {}
        self.quotas: dict[str, float] = {}
        self.default_quotas: dict[str, float] = {}
        self.caller = "user/line-7"
        self.iam: dict[str, tuple[str, list[str]]] = {}
        self._clock = clock

    def certificates_by_spki(self) -> dict[str, list[Certificate]]:
        """Return all certificates, in the order of issuance, by the public key hash of their CSR."""
        found: dict[str, list[Certificate]] = {}
        for certificate in self.store.certificates.values():
            found.setdefault(certificate.csr_spki, []).append(certificate)
        return found

    def certificates_by_common_name(self) -> dict[str, list[Certificate]]:
        """Return all certificates, in the order of issuance, by the common name of their CSR."""
        found: dict[str, list[Certificate]] = {}
        for certificate in self.store.certificates.values():
            found.setdefault(certificate.common_name, []).append(certificate)
        return found

    def attach_principal(self, thing_name: str, arn: str) -> None:
        """Attach a certificate to a thing; once more changes nothing."""
        thing, certificate = self.registry.thing(thing_name), self.store.principal(arn)
        _add(thing.principals, certificate.arn)
        _add(certificate.things, thing_name)

    def detach_principal(self, thing_name: str, arn: str) -> None:
        """Detach a certificate from a thing; once more changes nothing."""
        thing, certificate = self.registry.thing(thing_name), self.store.principal(arn)
        _discard(thing.principals, certificate.arn)
        _discard(certificate.things, thing_name)

    def policy(self, name: str) -> Policy:
        """Return a policy, or raise ResourceNotFoundException."""
        policy = self.policies.get(name)
        if policy is None:
            raise not_found("policy", name)
        return policy

    def create_policy(self, name: str, document: str) -> Policy:
        """Create a policy. Unlike CreateThing it conflicts with one of the same name, the same document or not."""
        check_policy_name(name)
        if len(re.sub(r"\s", "", document)) > 2048 or not _is_policy(document):
            raise AwsError("MalformedPolicyException", "the policy document is malformed or too long")
        if name in self.policies:
            arn = self.arns.of("policy", name)
            message = f"policy {name} exists"
            raise AwsError("ResourceAlreadyExistsException", message, resourceId=name, resourceArn=arn)
        policy = Policy(name, self.arns.of("policy", name), document, self._clock())
        self.policies[name] = policy
        return policy

    def delete_policy(self, name: str) -> None:
        """Delete a policy that is attached to nothing.

        Raises:
            AwsError: DeleteConflictException while it is attached, ResourceNotFoundException.
        """
        if self.policy(name).targets:
            raise AwsError("DeleteConflictException", "the policy must be detached from all of its targets first")
        del self.policies[name]

    def delete_group(self, name: str) -> None:
        """Delete a thing group that has no child, and its links to things and policies."""
        group = self.registry.groups.get(name)
        self.registry.delete_group(name)
        for policy in group.policies if group else ():
            self.policies[policy].targets.pop(group.arn if group else "", None)

    def attached(self, target: str) -> list[str]:
        """Return the names of the policies of a certificate or thing group, as a list that can be changed."""
        _, separator, name = target.partition(":thinggroup/")
        return self.registry.group(name).policies if separator else self.store.principal(target).policies

    def attach_policy(self, name: str, target: str) -> None:
        """Attach a policy; once more changes nothing.

        Raises:
            AwsError: LimitExceededException for the eleventh policy of a target.
        """
        policy, attached = self.policy(name), self.attached(target)
        if name not in attached and len(attached) >= POLICIES_PER_TARGET:
            message = f"a target may have {POLICIES_PER_TARGET} policies"
            raise AwsError("LimitExceededException", message)
        _add(attached, name)
        policy.targets[target] = None

    def detach_policy(self, name: str, target: str) -> None:
        """Detach a policy; once more changes nothing."""
        policy = self.policy(name)
        _discard(self.attached(target), name)
        policy.targets.pop(target, None)

    def delete_certificate(self, certificate_id: str, *, force: bool) -> None:
        """Delete a certificate, and with ``force`` its links to policies too."""
        certificate = self.store.get(certificate_id)
        self.store.delete(certificate_id, force=force)
        for name in certificate.policies:
            self.policies[name].targets.pop(certificate.arn, None)


def _is_policy(document: str) -> bool:
    try:
        parsed = json.loads(document)
    except ValueError:
        return False
    return isinstance(parsed, dict) and "Version" in parsed and "Statement" in parsed


def _add(items: list[K], item: K) -> None:
    if item not in items:
        items.append(item)


def _discard(items: list[K], item: K) -> None:
    if item in items:
        items.remove(item)
