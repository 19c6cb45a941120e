"""RSA keys that a generator does not make: a pair by the numbers, and weak or of no use."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WEAK"]

_EXPONENT = 65537


def _primes(bits: int) -> tuple[int, int]:
    """Return two primes whose product has so many bits; each is over 2^(bits/2 - 1/2)."""
    numbers = rsa.generate_private_key(_EXPONENT, bits).private_numbers()
    return numbers.p, numbers.q


def _der(p: int, q: int) -> bytes:
    """Return the PrivateKeyInfo of a key with these factors, whatever they are."""
    d = pow(_EXPONENT, -1, math.lcm(p - 1, q - 1))
    public = rsa.RSAPublicNumbers(_EXPONENT, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _three() -> bytes:
    """Whoever divides the modulus by 3 has the key."""
    return _der(3, _primes(4092)[0])


def _uneven() -> bytes:
    """Primes of 512 and 1,536 bits."""
    return _der(_primes(1024)[0], _primes(3072)[0])


def _even() -> bytes:
    """One factor is even, and of the right length."""
    p, q = _primes(2048)
    p -= 1
    # No parser takes an even exponent.
    while math.gcd(_EXPONENT, p - 1) != 1 or math.gcd(p, q) != 1 or pow(_EXPONENT, -1, p - 1) % 2 == 0:
        p -= 2
    return _der(p, q)


def _close() -> bytes:
    """Two primes one after the other: the root of the modulus leads to them (Fermat)."""
    p = q = _primes(2048)[0]
    small = math.prod(range(3, 2000, 2))
    while q == p or math.gcd(q, small) != 1 or pow(2, q - 1, q) != 1:
        q += 2
    return _der(p, q)


def _composite() -> bytes:
    """A factor of the right length is the product of two primes, so what it signs is not valid."""
    p = q = 1
    # A product of three primes may be one bit shorter.
    while (p * q).bit_length() != 2048:
        p, q = math.prod(_primes(1024)), max(_primes(2048))
    return _der(p, q)


WEAK: dict[str, tuple[Callable[[], bytes], str]] = {
    "factor 3": (_three, "no whole rsa-2048 key"),
    "uneven": (_uneven, "no whole rsa-2048 key"),
    "even": (_even, "no whole rsa-2048 key"),
    "close": (_close, "no whole rsa-2048 key"),
    "composite": (_composite, "nothing can be signed"),
}
"""Makes a PrivateKeyInfo in DER, of a modulus of 2,048 bits, and what is said of it."""
