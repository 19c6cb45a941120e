"""The types that flow from a manifest row to a finished bundle.

``Device`` → ``KeyReceipt`` → ``Issued`` → ``Certificate`` → bundle. None of them ever holds a private key:
a key is made, written and left in a worker process.
"""

from __future__ import annotations

import enum
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.settings import KeyType

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Certificate", "Device", "Issued", "KeyReceipt", "State"]


class State(enum.IntEnum):
    """What is durable of a device. The value is the number of the last step that is (see ``issuance``)."""

    LISTED = 0
    """The row is in the ledger; nothing was done for it."""
    PLANNED = 1
    """The thing exists."""
    KEYED = 2
    """Key and CSR are on disk; nothing has left the machine."""
    REQUESTED = 3
    """A certificate may have been issued: the one state that is settled by looking, never by asking."""
    ISSUED = 5
    """The certificate was inspected and is stored."""
    BUNDLED = 6
    """The bundle is whole and on disk."""
    LINKED = 7
    """The certificate is attached to the thing, and the thing is in its groups."""
    DONE = 8
    """The certificate has its policy: the device can connect."""


@dataclass(frozen=True, slots=True)
class Device:
    """One manifest row, validated, with the run's defaults filled in.

    Attributes:
        thing_name: 1 to 128 characters of ``[a-zA-Z0-9:_-]``.
        line: The row's line in the manifest, from 1.
        common_name: The CN that the certificate must carry, 1 to 64 characters (X.520 ub-common-name).
        thing_type: The thing type, or None.
        groups: Static thing groups, in the row's order, none twice.
        billing_group: The billing group, or None.
        policy: Name of the policy that the certificate gets, or None for none.
        attributes: Thing attributes by name.
        csr: A PEM CSR when the device keeps its own key, else None.
        key_type: The key to make for it, or None for the run's.
        encrypt_to: The age recipients that its key is encrypted to in place of the run's, sorted; empty for those.
    """

    thing_name: str
    line: int
    common_name: str
    thing_type: str | None = None
    groups: tuple[str, ...] = ()
    billing_group: str | None = None
    policy: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    csr: str | None = None
    key_type: KeyType | None = None
    encrypt_to: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the description as canonical JSON: equal devices give equal text, wherever their line is."""
        fields = {
            name: value for name, value in asdict(self).items() if name != "line" and value not in (None, (), {})
        }
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, line: int) -> Device:
        """Return the device that ``to_json`` described."""
        fields: dict[str, Any] = json.loads(text)
        for name in ("groups", "encrypt_to"):
            fields[name] = tuple(fields.get(name, ()))
        if "key_type" in fields:
            fields["key_type"] = KeyType(fields["key_type"])
        return cls(line=line, **fields)


@dataclass(frozen=True, slots=True)
class KeyReceipt:
    """What a worker hands back for a key that is on disk: never the key.

    Attributes:
        csr: The PEM CSR, at most 4,096 characters (AWS IoT's limit).
        spki_sha256: Hex SHA-256 of the DER SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
        files: The hex SHA-256 of the key's file by its name, where it is encrypted: nobody here can look into it.
    """

    csr: str
    spki_sha256: str
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Issued:
    """What AWS IoT answered to CreateCertificateFromCsr, not yet trusted."""

    certificate_id: str
    certificate_arn: str
    certificate_pem: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """An issued certificate that passed inspection.

    Attributes:
        certificate_id: Hex SHA-256 of the DER, as AWS IoT names it.
        arn: The principal that things and policies are attached to.
        pem: Exactly one PEM block.
        not_after: The end of its validity, ISO 8601 in UTC.
    """

    certificate_id: str
    arn: str
    pem: str
    not_after: str
