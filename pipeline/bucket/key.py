"""The KMS key that a bucket is to encrypt objects with, as its ARN or its id.

>>> key = Key.of("1234abcd-12ab-34cd-56ef-1234567890ab")
>>> key.is_meant_by("arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab")
True
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Key"]

_KEY = re.compile(
    r"(?:arn:aws[a-z-]{0,20}:kms:[a-z0-9-]{1,40}:[0-9]{12}:key/)?"
    r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})"
)
"""AWS KMS Developer Guide, "Key identifiers": key ARN and key id, those of multi-Region keys included."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of AWS KMS.

    Attributes:
        given: As the user names it, which is what S3 is told.
        identity: Its id.
    """

    given: str
    identity: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the key that a text names.

        An alias is refused: S3 looks it up in the account of whoever asks, and it may stand for another key
        tomorrow, so nobody could see afterwards whether an object is encrypted as was asked for.

        Raises:
            UsageError: It names none.
        """
        found = _KEY.fullmatch(text)
        if found is None:
            raise UsageError(
                f"--kms-key {printable(text, 200)} names no KMS key",
                advice="give the key's ARN or its id, and no alias (aws kms describe-key says them)",
            )
        return cls(text, found[1])

    def is_meant_by(self, answered: str | None) -> bool:
        """Whether what S3 says that an object is encrypted with is this key; it answers with an ARN."""
        if answered in {self.given, self.identity}:
            return True
        by_id = self.given == self.identity
        return by_id and answered is not None and answered.rpartition("/")[2] == self.identity
