"""Whether a private key's file is whole, to the last bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pipeline.keys import spki_sha256

if TYPE_CHECKING:
    from pipeline.keys import PrivateKey

__all__ = ["whole_key_hash"]


def whole_key_hash(pem: bytes) -> str | None:
    """Return the SPKI hash of a key that is whole, or None. What a parser says of a key is not passed on.

    Whole means that each bit of the file is accounted for: private and public part belong together, and the key
    written anew as PKCS #8 PEM (RFC 5958, RFC 7468) gives the same bytes. A bit that was flipped, in the numbers
    or in the armour around them, cannot satisfy both and leave the hash as it was.

    Args:
        pem: What the file holds.
    """
    try:
        # The numbers are checked below. The parser's own check looks whether p and q are prime, too: that takes a
        # third of a second for 4,096 bits and adds nothing, since n = pq is what the certificate vouches for.
        key = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) or not _is_pair(key):
            return None
        if key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) != pem:
            return None
        return spki_sha256(key.public_key())
    except (ValueError, TypeError, ArithmeticError, UnsupportedAlgorithm, InternalError):
        return None


def _is_pair(key: PrivateKey) -> bool:
    """Whether the private part is that of the public part."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = key.private_numbers()
        derived = ec.derive_private_key(numbers.private_value, key.curve).public_key()
        return derived.public_numbers() == numbers.public_numbers
    found = key.private_numbers()
    # RFC 8017, section 3.2.
    n, e, p, q, d = found.public_numbers.n, found.public_numbers.e, found.p, found.q, found.d
    return (
        1 < p < n
        and p * q == n
        and e * d % (p - 1) == 1
        and e * d % (q - 1) == 1
        and found.dmp1 == d % (p - 1)
        and found.dmq1 == d % (q - 1)
        and found.iqmp * q % p == 1
    )
