"""A private key looked for in bytes, whatever form it was given: the searcher of all tests here.

What is looked for are parts of the key's secret numbers, and not of its PEM or DER, whose beginnings are those of
any key. A part is 16 bytes long, so one cut out of the middle of a key is found as well as the whole.
"""

from __future__ import annotations

import base64
import gzip
import io
import re
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["KeyMaterial", "secrets_of"]

PART = 16
"""Bytes of a part: nothing of that length is found by chance."""

_SPACES = re.compile(rb"\s+|\\[nrtx]?|[\"',:\x00-\x08]|0[xX]")
"""What may stand between the digits of a text: line breaks, quotes, the signs of C and Python around bytes."""


def secrets_of(pem: bytes) -> tuple[bytes, ...]:
    """Return a key's secret numbers as bytes, the most significant first (RFC 5915, RFC 8017)."""
    key = load_pem_private_key(pem, password=None)
    if isinstance(key, rsa.RSAPrivateKey):
        found = key.private_numbers()
        size = key.key_size // 8
        return tuple(number.to_bytes(size).lstrip(b"\0") for number in (found.d, found.p, found.q))
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return (key.private_numbers().private_value.to_bytes((key.key_size + 7) // 8),)


class KeyMaterial:
    """What gives some private keys away.

    Args:
        pems: The keys, as PKCS #8 PEM.
    """

    def __init__(self, pems: Iterable[bytes]) -> None:
        self._pems = list(pems)
        self._raw: set[bytes] = set()
        self._text: set[bytes] = set()
        self._hex: set[bytes] = set()
        for secret in (secret for pem in self._pems for secret in secrets_of(pem)):
            for way in (secret, secret[::-1]):
                for part in (way[:PART], way[-PART:]):
                    self._add(part)
            self._text.add(str(int.from_bytes(secret)).encode("ascii"))

    def _add(self, part: bytes) -> None:
        # As it is, and as Python shows it: bytes in a repr keep their printable characters.
        self._raw |= {part, repr(part)[2:-1].encode("ascii"), repr(b"'" + part)[3:-1].encode("ascii")}
        self._hex.add(part.hex().encode("ascii"))
        for before in range(3):
            # What stands before and behind it in the same text decides on the outermost characters.
            whole = base64.b64encode(b"\0" * before + part + b"\0" * 3)
            self._text.add(whole[-(-before * 8 // 6) : (before + len(part)) * 8 // 6])

    def within(self, data: bytes) -> bool:
        """Whether some part of a key is in these bytes, in any encoding that is known here."""
        if any(part in data for part in self._raw):
            return True
        text = _SPACES.sub(b"", data)
        if any(part in text for part in self._text):
            return True
        if any(part in text.translate(bytes.maketrans(b"-_", b"+/")) for part in self._text):
            return True
        digits = text.lower()
        return any(part in digits for part in self._hex)

    def inside(self, data: bytes) -> bool:
        """Whether some part of a key is in a file, or in one that is packed into it."""
        return self.within(data) or any(self.inside(inner) for inner in _unpacked(data))


def _unpacked(data: bytes) -> Iterator[bytes]:
    """Yield what is packed into archives, compressed files, and PKCS #12 files without a password."""
    if data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    elif data[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(data)) as tape:
            yield from (tape.extractfile(member).read() for member in tape if member.isfile())  # type: ignore[union-attr]  # it is a file
    elif data.startswith(b"\x78"):
        inflate = zlib.decompressobj()
        try:
            yield inflate.decompress(data)
        except zlib.error:
            return
    elif data.startswith(b"\x30"):
        try:
            yield from _opened_p12(data)
        except ValueError:
            return


def _opened_p12(data: bytes) -> Iterator[bytes]:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat  # noqa: PLC0415

    key = pkcs12.load_key_and_certificates(data, None)[0]
    if key is not None:
        yield key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
