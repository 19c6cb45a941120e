"""The run's side of the seal: a key pair in this process alone, and a look at what comes back.

The pair is made anew in each process of a run and is in its memory only, so what was sealed for one run is of no
use to another. Whatever a cluster answers is foreign until it was looked at: it has to open, for exactly the
device that it was ordered for, and to be a whole key of the type that was asked for.

A CSR does not come back with it. It is signed here, by the code that signs it for any key, and so there is none
that could name somebody else. That the signature is valid is seen before anything of the key is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
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
_APART_BITS = 100
"""By how many bits p and q may agree from the top: their distance is over 2^(nlen/2 - 100) (FIPS 186-5, A.1.3)."""


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

    def open(self, wanted: Wanted, answer: object) -> tuple[PrivateKey, str]:
        """Return the key that a worker made, and the CSR that was signed with it here.

        Args:
            wanted: What it was asked for.
            answer: What came back.

        Raises:
            DeviceError: It is no such key.
        """
        # A pickle can have left the fields away.
        version, data = getattr(answer, "thingmill", None), getattr(answer, "data", None)
        if not isinstance(answer, SealedKey) or not isinstance(version, str) or not isinstance(data, bytes):
            raise _strange("what came back is no sealed key")
        if version != pipeline.__version__:
            raise _strange(f"it was made by thingmill {printable(version, 40)}")
        try:
            key = self._opened(wanted, data)
        except (ValueError, TypeError, InvalidTag, UnsupportedAlgorithm, InternalError):
            # Without the cause: what a parser says of a key could quote it.
            key = None
        if key is None:
            raise _strange("what came back does not open, or was made for another device")
        if not _is_as_asked(key, wanted.key_type):
            raise _strange(f"what came back is no whole {wanted.key_type} key")
        csr = _signed(key, wanted.common_name)
        if csr is None:
            raise _strange("with the key that came back nothing can be signed")
        return key, csr

    def _opened(self, wanted: Wanted, data: bytes) -> PrivateKey | None:
        der = SUITE.decrypt(data, self._private_key, info=wanted.binding)
        # The numbers are looked at below, all but whether p and q are prime: that takes half a second for 4,096
        # bits. A factor that is composite by a fault shows in the signature, which is not valid then. One that was
        # chosen so that it is (a Carmichael number) is not found out: who could choose it knows the key anyway.
        key = load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
        return key if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) else None


def _is_as_asked(key: PrivateKey, key_type: KeyType) -> bool:
    try:
        whole = keys.fits(key.public_key(), key_type) and keys.is_pair(key)
        return whole and (not isinstance(key, rsa.RSAPrivateKey) or _is_strong(key))
    except (ValueError, ArithmeticError, InternalError):
        return False


def _is_strong(key: rsa.RSAPrivateKey) -> bool:
    """Whether the numbers are of the sizes that a generator gives them (FIPS 186-5, A.1.1 and A.1.3)."""
    numbers = key.private_numbers()
    p, q, half = numbers.p, numbers.q, key.key_size // 2
    return (
        numbers.public_numbers.e == _EXPONENT
        and p % 2 == q % 2 == 1
        and p.bit_length() == q.bit_length() == half
        and abs(p - q) > 1 << (half - _APART_BITS)
    )


def _signed(key: PrivateKey, common_name: str) -> str | None:
    try:
        csr = keys.sign_request(key, common_name)
        return csr if x509.load_pem_x509_csr(csr.encode("ascii")).is_signature_valid else None
    except (ValueError, ArithmeticError, InternalError):
        # Without the cause, as above.
        return None


def _strange(what: str) -> DeviceError:
    return DeviceError(
        2,
        DeviceCode.STRANGE_SEALED_KEY,
        f"a worker of the cluster made no key that can be used: {what}",
        advice="nothing of it was stored; find out who is in the cluster, then run the same command again",
    )
