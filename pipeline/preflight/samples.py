"""What further formats add to a device on disk: each is made once, for a device that there is not, and weighed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from pipeline.bundles.formats import FORMATS
from pipeline.bundles.parts import KeyFile, Parts
from pipeline.device import Certificate, Device
from pipeline.keys import generate, sign_request
from pipeline.secret import Secret
from pipeline.settings import KeyType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.bundles.parts import Endpoint

__all__ = ["NOTHING", "Weight", "weigh"]

_NAME = "x"
"""The shortest name: no device takes less than a sample, so a refusal for lack of room is never wrong."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What formats add to one device, at the least.

    Attributes:
        sizes: The sizes of their files, bytes.
        folders: How many folders they have.
    """

    sizes: tuple[int, ...] = ()
    folders: int = 0

    @property
    def inodes(self) -> int:
        """Files and folders together."""
        return len(self.sizes) + self.folders

    def on_disk(self, block: int) -> int:
        """Return the bytes that the files take where each ends in a block of so many bytes."""
        return sum(math.ceil(size / block) * block for size in self.sizes)


NOTHING = Weight()
"""What a run with PEM files alone has."""


def weigh(formats: Sequence[str], endpoint: Endpoint) -> tuple[Weight, Weight]:
    """Return what formats add to a device whose key is made here, and to one that keeps its own.

    Args:
        formats: By name; listings weigh nothing that counts.
        endpoint: Where the devices connect, with the roots that each gets.

    Raises:
        ThingmillError: A format cannot be made on this machine.
    """
    made = [FORMATS[name] for name in formats if name in FORMATS]
    if not made:
        return NOTHING, NOTHING
    weights: list[Weight] = []
    for parts in _samples(endpoint):
        fitting = [each.make(parts) for each in made if parts.key is not None or not each.needs_key]
        sizes = tuple(len(data) for contents in fitting for data in contents.values())
        weights.append(Weight(sizes, len(fitting)))
    with_key, own_key = weights
    return with_key, own_key


def _samples(endpoint: Endpoint) -> tuple[Parts, Parts]:
    """Return a device with the smallest key, and one that keeps its own."""
    key = generate(KeyType.EC_P256)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    csr = sign_request(key, _NAME)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    signed = builder.sign(key, hashes.SHA256())
    certificate = Certificate(
        certificate_id=signed.fingerprint(hashes.SHA256()).hex(),
        arn="",
        pem=signed.public_bytes(Encoding.PEM).decode("ascii"),
        not_after="",
    )
    made_here = Device(_NAME, 1, _NAME)
    keeps_own = Device(_NAME, 1, _NAME, csr=csr)
    return (
        Parts(made_here, certificate, endpoint, csr, KeyFile(Secret(pem))),
        Parts(keeps_own, certificate, endpoint, csr),
    )
