"""Which devices of a manifest are one station's, where several stations share it.

A device's part is worked out of its name alone, so stations agree without asking each other, and a part holds the
same devices on whichever of them it is run again.

>>> Part.of("3/10").holds("TestThing001")
False
>>> [number for number in range(1, 11) if Part(number, 10).holds("TestThing001")]
[9]
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BATCH", "MOST_PARTS", "Part"]

BATCH = "batch"
"""What is given instead of a part where AWS Batch says which one a job is."""

MOST_PARTS = 10_000
"""The most children that an array job of AWS Batch can have (AWS Batch user guide, "Array jobs")."""

_INDEX, _SIZE = "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"
"""What AWS Batch tells each child of an array job; the index begins at 0 (AWS Batch user guide, "AWS Batch job
environment variables")."""

_NUMBERS = re.compile(r"([1-9][0-9]{0,4})/([1-9][0-9]{0,4})", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """One of the parts that a manifest is divided into.

    Attributes:
        number: Which one, from 1.
        parts: How many there are.
    """

    number: int
    parts: int

    @classmethod
    def of(cls, text: str) -> Part:
        """Return the part that ``K/N`` names.

        Raises:
            UsageError: It names none.
        """
        found = _NUMBERS.fullmatch(text)
        number, parts = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= parts <= MOST_PARTS:
            raise UsageError(
                f"--part {printable(text)} is no part of a manifest",
                advice=f"give K/N, for instance 3/10: the third of ten, of {MOST_PARTS:,} at most; or {BATCH}",
            )
        return cls(number, parts)

    @classmethod
    def of_batch(cls, environment: Mapping[str, str]) -> Part:
        """Return the part that this process is of an array job of AWS Batch.

        Raises:
            UsageError: It is of none.
        """
        index, size = environment.get(_INDEX, ""), environment.get(_SIZE, "")
        if not (_NUMBER.fullmatch(index) and _NUMBER.fullmatch(size) and int(index) < int(size) <= MOST_PARTS):
            raise UsageError(
                f"--part {BATCH} is for array jobs of AWS Batch, and {_INDEX} and {_SIZE} do not say which job "
                "this is",
                advice="submit the job with an array size, or give the part as K/N",
            )
        return cls(int(index) + 1, int(size))

    def __str__(self) -> str:
        return f"{self.number}/{self.parts}"

    @property
    def suffix(self) -> str:
        """What tells the folder of this part from those of the others, for instance ``3-of-10``."""
        return f"{self.number}-of-{self.parts}"

    def holds(self, thing_name: str) -> bool:
        """Whether a device is of this part.

        The first eight bytes of the SHA-256 of its name in lower case, as a number, modulo the number of parts:
        what others can work out with any tool. This never changes, since parts that were run would no longer fit.
        """
        digest = hashlib.sha256(thing_name.lower().encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.parts == self.number - 1
