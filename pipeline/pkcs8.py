"""A private key encrypted under a passphrase, as PKCS #8 has it: written, and read back to the last bit.

``EncryptedPrivateKeyInfo`` (RFC 5958, section 3) with PBES2 (RFC 8018, section 6.2), scrypt (RFC 7914, section 7)
and AES-256-CBC, in PEM (RFC 7468, section 11). ``cryptography`` reads such files, but writes PBKDF2 ones only, so
the few bytes of DER (X.690) around the ciphertext are put together here; cipher and key derivation are its own.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7

if TYPE_CHECKING:
    from pipeline.secret import Secret

__all__ = ["ENCRYPTED", "Cost", "Envelope", "WrappingKey", "clear_pem"]

ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
"""How the file of a key begins that a passphrase encrypts."""

_SEQUENCE, _INTEGER, _OCTETS, _OID = 0x30, 0x02, 0x04, 0x06
_PBES2 = bytes.fromhex("2a864886f70d01050d")  # 1.2.840.113549.1.5.13, RFC 8018, appendix A.4
_SCRYPT = bytes.fromhex("2b06010401da47040b")  # 1.3.6.1.4.1.11591.4.11, RFC 7914, section 7
_AES256_CBC = bytes.fromhex("60864801650304012a")  # 2.16.840.1.101.3.4.1.42, RFC 8018, appendix B.2.5

_MOST_MEMORY = 32 << 20
"""Bytes that OpenSSL lets scrypt have by default (SCRYPT_MAX_MEM): ``openssl pkey`` opens nothing beyond."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess at a passphrase costs: 128 n r bytes of memory, and p times that much work.

    The default takes 16 MiB, half of what OpenSSL allows by default (n = 2^15 with r = 8 is already above it), and
    makes up for that with p = 5, which OWASP's Password Storage Cheat Sheet holds equal to n = 2^17 with p = 1.
    """

    n: int = 1 << 14
    r: int = 8
    p: int = 5

    def derive(self, passphrase: Secret, salt: bytes) -> bytes:
        """Return the 32 bytes of an AES-256 key."""
        return Scrypt(salt=salt, length=32, n=self.n, r=self.r, p=self.p).derive(passphrase.reveal())


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """A key derived from a passphrase, that encrypts private keys.

    It is derived once for a process of ``thingmill run``, not for each device: one passphrase opens all keys, so
    a guess is tried on any one of them, and a salt for each would slow down the line and nobody else. Each file
    has an initialization vector of its own.

    This is what crosses to the workers, over the pipe that the pool holds for itself; the passphrase does not.
    Unlike ``Secret`` it can be pickled, since it has to cross. Its bytes are in no repr.

    Attributes:
        salt: 16 bytes, of chance.
        key: 32 bytes.
        cost: How it was derived.
    """

    salt: bytes
    key: bytes = field(repr=False)
    cost: Cost = field(default_factory=Cost)

    @classmethod
    def derive(cls, passphrase: Secret) -> WrappingKey:
        """Return a new one, with a salt of its own. Takes about a third of a second of one core."""
        salt, cost = os.urandom(16), Cost()
        return cls(salt, cost.derive(passphrase, salt), cost)

    def encrypt(self, key: bytes) -> bytes:
        """Return a private key encrypted, in PEM.

        Args:
            key: A PrivateKeyInfo in DER.
        """
        padder, vector = PKCS7(128).padder(), os.urandom(16)
        encryptor = Cipher(AES256(self.key), CBC(vector)).encryptor()
        padded = padder.update(key) + padder.finalize()
        return Envelope(self.cost, self.salt, vector, encryptor.update(padded) + encryptor.finalize()).pem()


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the file of an encrypted key says openly.

    Attributes:
        cost: How the key for it is derived from the passphrase.
        salt: With this salt.
        vector: The initialization vector, 16 bytes.
        ciphertext: Whole blocks of 16 bytes.
    """

    cost: Cost
    salt: bytes
    vector: bytes
    ciphertext: bytes = field(repr=False)

    @classmethod
    def parse(cls, pem: bytes) -> Envelope:
        """Return what a file says whose every bit is as ``pem`` would write it.

        Raises:
            ValueError: It is no such file, or asks for more memory than OpenSSL allows.
        """
        try:
            envelope = cls._parse(base64.b64decode(b"".join(pem.removeprefix(ENCRYPTED).split(b"\n")[:-2])))
            whole = envelope.pem() == pem and len(envelope.vector) == 16 and envelope.ciphertext
            cost = envelope.cost
            # RFC 7914, section 2: n is a power of two.
            sound = cost.n > 1 and cost.n & (cost.n - 1) == 0 and 0 < cost.r <= 32 and 0 < cost.p <= 16
            affordable = sound and 128 * cost.n * cost.r < _MOST_MEMORY
        except (ValueError, IndexError):
            raise ValueError("not a key encrypted with scrypt and AES-256-CBC") from None
        if not whole or len(envelope.ciphertext) % 16 or not affordable:
            raise ValueError("not a key encrypted with scrypt and AES-256-CBC as thingmill writes it")
        return envelope

    @classmethod
    def _parse(cls, der: bytes) -> Envelope:
        algorithm, rest = _take(_take(der, _SEQUENCE)[0], _SEQUENCE)
        functions = _take(_take(algorithm, _OID)[1], _SEQUENCE)[0]
        derivation, cipher = _take(functions, _SEQUENCE)
        salt, numbers = _take(_take(_take(derivation, _OID)[1], _SEQUENCE)[0], _OCTETS)
        found: list[int] = []
        for _ in range(3):
            number, numbers = _take(numbers, _INTEGER)
            found.append(int.from_bytes(number))
        vector = _take(_take(_take(cipher, _SEQUENCE)[0], _OID)[1], _OCTETS)[0]
        return cls(Cost(*found), salt, vector, _take(rest, _OCTETS)[0])

    def pem(self) -> bytes:
        """Return the file."""
        cost = (self.cost.n, self.cost.r, self.cost.p)
        numbers = [_tlv(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1)) for number in cost]
        scrypt = _tlv(_SEQUENCE, _tlv(_OID, _SCRYPT), _tlv(_SEQUENCE, _tlv(_OCTETS, self.salt), *numbers))
        aes = _tlv(_SEQUENCE, _tlv(_OID, _AES256_CBC), _tlv(_OCTETS, self.vector))
        algorithm = _tlv(_SEQUENCE, _tlv(_OID, _PBES2), _tlv(_SEQUENCE, scrypt, aes))
        return _armoured(b"ENCRYPTED PRIVATE KEY", _tlv(_SEQUENCE, algorithm, _tlv(_OCTETS, self.ciphertext)))

    def decrypt(self, key: bytes) -> bytes:
        """Return the PrivateKeyInfo in DER; what is damaged, CBC does not notice: see whether it is a whole key.

        Args:
            key: What ``cost`` derives.

        Raises:
            ValueError: It does not open with this key.
        """
        decryptor, unpadder = Cipher(AES256(key), CBC(self.vector)).decryptor(), PKCS7(128).unpadder()
        padded = decryptor.update(self.ciphertext) + decryptor.finalize()
        der = unpadder.update(padded) + unpadder.finalize()
        # A wrong key leaves a padding that holds once in 256 times, but not a sequence that ends where it should.
        _, rest = _take(der, _SEQUENCE)
        if rest:
            raise ValueError("not a private key")
        return der


def clear_pem(key: bytes) -> bytes:
    """Return a PrivateKeyInfo in DER as PEM."""
    return _armoured(b"PRIVATE KEY", key)


def _armoured(label: bytes, der: bytes) -> bytes:
    text = base64.b64encode(der)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\n".join([b"-----BEGIN " + label + b"-----", *lines, b"-----END " + label + b"-----", b""])


def _tlv(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(size)]) + size + content


def _take(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """Return the content of the first element of DER, and what follows it."""
    start, length = 2, data[1]
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start])
    if data[0] != tag or len(data) < start + length:
        raise ValueError("not the DER that was expected")
    return data[start : start + length], data[start + length :]
