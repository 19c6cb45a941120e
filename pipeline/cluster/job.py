"""What a worker of a cluster does: it makes a private key and seals it to the run, and forgets it.

HPKE (RFC 9180) in base mode with a hybrid KEM of ML-KEM-768 and X25519: what is recorded on a network today opens
neither now nor for whoever has a quantum computer while the device is still in use. What a key was asked for is
part of what it is sealed with (``info``): one that was made for another thing, common name or type does not open,
so whoever carries the answers cannot exchange them.

Nothing here knows a run's folder or Dask. Arguments and results hold no secret, since Dask shows both in its logs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import pipeline
from pipeline import keys
from pipeline.errors import ThingmillError
from pipeline.hardening import harden

if TYPE_CHECKING:
    from pipeline.settings import KeyType

__all__ = ["SUITE", "SealedKey", "Wanted", "make_sealed", "no_mlkem"]

SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
"""MLKEM768-X25519 (X-Wing), HKDF-SHA256, AES-256-GCM."""

_FORMAT = "thingmill sealed key 1"
_MLKEM768_BYTES = 1184
"""Bytes of an encapsulation key of ML-KEM-768 (FIPS 203, table 3); the X25519 key behind it has 32."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a worker is asked for: nothing of it is secret.

    Attributes:
        recipient: The run's public key, which the answer is sealed to.
        thing_name: Whose key it will be.
        common_name: What its certificate will be for.
        key_type: The key to make.
    """

    recipient: bytes
    thing_name: str
    common_name: str
    key_type: KeyType

    @property
    def binding(self) -> bytes:
        """What the answer is bound to."""
        return json.dumps([_FORMAT, self.thing_name, self.common_name, self.key_type.value]).encode("ascii")


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A private key that only the run can open.

    Attributes:
        data: Encapsulated secret and ciphertext, one behind the other (RFC 9180, section 6.1).
        thingmill: The version of whoever made it.
    """

    data: bytes
    thingmill: str


def make_sealed(wanted: Wanted) -> SealedKey:
    """Return a new private key, sealed to the run that wants it: a PrivateKeyInfo in DER.

    Raises:
        ThingmillError: The worker's cryptography cannot.
    """
    _harden_once()
    key = keys.generate(wanted.key_type).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    first, second = wanted.recipient[:_MLKEM768_BYTES], wanted.recipient[_MLKEM768_BYTES:]
    try:
        halves = MLKEM768PublicKey.from_public_bytes(first), X25519PublicKey.from_public_bytes(second)
    except UnsupportedAlgorithm:
        raise no_mlkem("a worker") from None
    data = SUITE.encrypt(key, hpke.MLKEM768X25519PublicKey(*halves), info=wanted.binding)
    return SealedKey(data, pipeline.__version__)


def no_mlkem(where: str) -> ThingmillError:
    """Return what refuses to go on where the cryptography has no ML-KEM, as with an OpenSSL before 3.5."""
    return ThingmillError(
        f"the cryptography of {where} has no ML-KEM, which keys are sealed with on their way",
        advice="install cryptography from its wheel there, which brings an OpenSSL that has it",
    )


@cache
def _harden_once() -> None:
    harden()
