"""The run's side of the seal: a key pair in this process alone, and a look at what comes back.

The pair is made anew in each process of a run and is in its memory only, so what was sealed for one run is of no
use to another. Whatever a cluster answers is foreign until it was looked at: it has to open, for exactly the
device that it was ordered for, and to be a whole key of the type that was asked for.

A CSR does not come back with it. It is signed here, by the code that signs it for any key, and so there is none
that could name somebody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import InternalError, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

import pipeline
from pipeline import keys
from pipeline.cluster.job import SUITE, SealedKey, Wanted, no_mlkem
from pipeline.codes import DeviceCode
from pipeline.errors import DeviceError
from pipeline.text import printable

if TYPE_CHECKING:
    from pipeline.keymaking import KeyOrder
    from pipeline.keys import PrivateKey
    from pipeline.settings import KeyType

__all__ = ["Channel"]

_EXPONENT = 65537


class Channel:
    """Says what workers are asked for, and opens what they answer.

    Raises:
        ThingmillError: The cryptography of this machine cannot.
    """

    def __init__(self) -> None:
        try:
            mlkem, x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
        except UnsupportedAlgorithm:
            raise no_mlkem("this machine") from None
        self._private_key = hpke.MLKEM768X25519PrivateKey(mlkem, x25519)
        self._public_key = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    def wanted(self, order: KeyOrder) -> Wanted:
        """Return what a worker is asked for."""
        return Wanted(self._public_key, order.thing_name, order.common_name, order.key_type)

    def open(self, wanted: Wanted, answer: object) -> PrivateKey:
        """Return the key that a worker made.

        Args:
            wanted: What it was asked for.
            answer: What came back.

        Raises:
            DeviceError: It is no such key.
        """
        if not isinstance(answer, SealedKey):
            raise _strange("what came back is no sealed key")
        if answer.thingmill != pipeline.__version__:
            raise _strange(f"it was made by thingmill {printable(str(answer.thingmill), 40)}")
        try:
            key = self._opened(wanted, answer.data)
        except (ValueError, TypeError, InvalidTag, UnsupportedAlgorithm, InternalError):
            # Without the cause: what a parser says of a key could quote it.
            key = None
        if key is None:
            raise _strange("what came back does not open, or was made for another device")
        if not _is_as_asked(key, wanted.key_type):
            raise _strange(f"what came back is no whole {wanted.key_type} key")
        return key

    def _opened(self, wanted: Wanted, data: bytes) -> PrivateKey | None:
        der = SUITE.decrypt(data, self._private_key, info=wanted.binding)
        # The numbers are looked at below, all but whether p and q are prime: that takes half a second for 4,096
        # bits, and who makes keys could make weak ones that are.
        key = load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
        return key if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) else None


def _is_as_asked(key: PrivateKey, key_type: KeyType) -> bool:
    public_key = key.public_key()
    if isinstance(public_key, rsa.RSAPublicKey) and public_key.public_numbers().e != _EXPONENT:
        return False
    try:
        return keys.fits(public_key, key_type) and keys.is_pair(key)
    except (ValueError, ArithmeticError):
        return False


def _strange(what: str) -> DeviceError:
    return DeviceError(
        2,
        DeviceCode.STRANGE_SEALED_KEY,
        f"a worker of the cluster made no key that can be used: {what}",
        advice="nothing of it was stored; find out who is in the cluster, then run the same command again",
    )
