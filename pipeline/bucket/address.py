"""The address of a bucket and a prefix in it, ``s3://BUCKET/PREFIX``, taken apart and held against what S3 takes.

>>> Address.of("s3://line-7-bundles/2026/july/").key("pem", "pump-001", "config.json")
'2026/july/pem/pump-001/config.json'
>>> str(Address.of("s3://line-7-bundles"))
's3://line-7-bundles'
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Address", "is_address"]

_SCHEME = re.compile(r"s3:/", re.IGNORECASE)
"""With one slash: of ``s3://x`` a ``Path`` leaves no more."""

_WHOLE = re.compile(r"s3://([^/]*)(?:/(.*))?", re.DOTALL)

_LABEL = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_BUCKET = re.compile(rf"(?=.{{3,63}}\Z){_LABEL}(?:\.{_LABEL})*")
"""Amazon S3 User Guide, "General purpose bucket naming rules": 3 to 63 of a-z 0-9 . - that begin and end with a
letter or digit, as does each part between dots (RFC 1035, section 2.3.1)."""

_LIKE_AN_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_OTHER_BEGINS = ("xn--", "sthree-")
_OTHER_ENDS = ("--ol-s3", ".mrap", "--x-s3", "--table-s3")
"""What the same rules keep for other things than general purpose buckets. An alias of an access point
(``-s3alias``) may stand in the place of a bucket's name."""

_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()=/-]{0,512}")
"""The characters that the User Guide calls safe in a key ("Naming Amazon S3 objects"), and ``=``. A key has 1024
bytes at most: what stands behind a prefix takes fewer than 500."""


def is_address(text: str) -> bool:
    """Whether a text was meant to be the address of a bucket, whatever is wrong with it."""
    return _SCHEME.match(text) is not None


@dataclass(frozen=True, slots=True)
class Address:
    """A bucket, and what the keys of all objects in it begin with.

    Attributes:
        bucket: Its name.
        prefix: The begin of each key without a slash at its end, or "".
    """

    bucket: str
    prefix: str = ""

    @classmethod
    def of(cls, text: str, option: str = "--to") -> Self:
        """Return the address that a text is.

        Args:
            text: ``s3://BUCKET`` or ``s3://BUCKET/PREFIX``.
            option: Where it stood, for the message.

        Raises:
            UsageError: It is none.
        """
        shown = f"{option} {printable(text, 200)}"
        found = _WHOLE.fullmatch(text)
        if found is None:
            raise UsageError(f"{shown} is no address of a bucket", advice="give s3://BUCKET/PREFIX")
        bucket, prefix = found[1], found[2] or ""
        prefix = prefix.removesuffix("/")
        if (
            not _BUCKET.fullmatch(bucket)
            or _LIKE_AN_ADDRESS.fullmatch(bucket)
            or bucket.startswith(_OTHER_BEGINS)
            or bucket.endswith(_OTHER_ENDS)
        ):
            raise UsageError(
                f"{shown} names no bucket that there can be",
                advice="the name of a general purpose bucket has 3 to 63 of a-z 0-9 . - and begins and ends with "
                "a letter or digit",
            )
        odd_part = prefix and not {"", ".", ".."}.isdisjoint(prefix.split("/"))
        if odd_part or not _PREFIX.fullmatch(prefix):
            raise UsageError(
                f"{shown} has a prefix that keys cannot begin with here",
                advice="give parts of a-z A-Z 0-9 ! _ . * ' ( ) = - with one / between two, none of them . or .., "
                "512 characters at most",
            )
        return cls(bucket, prefix)

    def key(self, *parts: str) -> str:
        """Return the key of an object below the prefix."""
        return "/".join((self.prefix, *parts) if self.prefix else parts)

    def shown(self, *parts: str) -> str:
        """Return the address of an object, for a person."""
        return f"s3://{self.bucket}/{self.key(*parts)}"

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".removesuffix("/")
