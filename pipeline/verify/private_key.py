"""Whether a private key's file is whole, to the last bit."""

from __future__ import annotations

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pipeline.keys import is_pair, spki_sha256

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
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) or not is_pair(key):
            return None
        if key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) != pem:
            return None
        return spki_sha256(key.public_key())
    except (ValueError, TypeError, ArithmeticError, UnsupportedAlgorithm, InternalError):
        return None
