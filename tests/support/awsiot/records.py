"""What the double keeps of each thing, type, group, policy and certificate, and how their ARNs are made."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

__all__ = ["Arns", "BillingGroup", "Certificate", "Policy", "Thing", "ThingGroup", "ThingType"]


def _uuid() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Arns:
    """ARNs of one account in one Region.

    Attributes:
        region: The Region, as in an ARN.
        account_id: Twelve digits.
    """

    region: str
    account_id: str

    def of(self, kind: str, name: str) -> str:
        """Return the ARN of ``name``; ``kind`` is ``thing``, ``cert``, ``policy`` and so on."""
        return f"arn:aws:iot:{self.region}:{self.account_id}:{kind}/{name}"


@dataclass(slots=True)
class Thing:
    """A thing of the registry. ``principals`` and ``groups`` hold ARNs and names in order of attachment."""

    name: str
    arn: str
    thing_type: str | None
    attributes: dict[str, str]
    billing_group: str | None
    thing_id: str = field(default_factory=_uuid)
    version: int = 1
    principals: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ThingType:
    """A thing type. ``properties`` are as they came."""

    name: str
    arn: str
    properties: dict[str, object]
    created: float
    type_id: str = field(default_factory=_uuid)


@dataclass(slots=True)
class ThingGroup:
    """A static thing group. ``things`` is a set that keeps the order of joining."""

    name: str
    arn: str
    parent: str | None
    properties: dict[str, object]
    created: float
    group_id: str = field(default_factory=_uuid)
    things: dict[str, None] = field(default_factory=dict)
    policies: list[str] = field(default_factory=list)


@dataclass(slots=True)
class BillingGroup:
    """A billing group."""

    name: str
    arn: str
    properties: dict[str, object]
    created: float
    group_id: str = field(default_factory=_uuid)


@dataclass(slots=True)
class Policy:
    """A policy with its one version. ``targets`` are the ARNs it is attached to, in order."""

    name: str
    arn: str
    document: str
    created: float
    generation_id: str = field(default_factory=_uuid)
    targets: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Certificate:
    """A certificate that was issued.

    Attributes:
        certificate_id: Hex SHA-256 of the DER, unless a fault asked for another.
        arn: The principal.
        pem: The certificate that was signed, faults of its contents included.
        common_name: The CN of the CSR, or ``""``.
        csr_spki: Hex SHA-256 of the DER SubjectPublicKeyInfo of the CSR: what ties it to a device.
        spki: The same of the certificate; another only where a fault asked for it.
        status: ``ACTIVE``, ``INACTIVE`` or ``REVOKED``.
        created: Seconds since the epoch, by the double's clock.
        not_before: Seconds since the epoch.
        not_after: Seconds since the epoch.
        sequence: From 1, in the order of issuance.
        listed_from: The ListCertificates call, from 1, that is the first to show it.
        listed_at: The time, by the double's clock, from which ListCertificates shows it.
        things: Names of the things it is attached to.
        policies: Names of the policies attached to it.
    """

    certificate_id: str
    arn: str
    pem: str
    common_name: str
    csr_spki: str
    spki: str
    status: str
    created: float
    not_before: float
    not_after: float
    sequence: int
    listed_from: int = 0
    listed_at: float = 0.0
    generation_id: str = field(default_factory=_uuid)
    modified: float = 0.0
    things: list[str] = field(default_factory=list)
    policies: list[str] = field(default_factory=list)
