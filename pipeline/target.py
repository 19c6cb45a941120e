"""Where devices go: one account, by its profile, and one Region.

What a row leaves out is the run's option or, where there is none, the usual AWS chain's.

>>> Target("factory", "eu-central-1").name
'factory.eu-central-1'
>>> Target("", "eu-central-1").name, Target().name
('eu-central-1', 'default')
>>> Target("Factory (new)", "eu-central-1").name
'Factory--new-.eu-central-1.2a55eda8'
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from pipeline.text import hidden_at, printable

__all__ = ["MOST_TARGETS", "REGION", "Target", "profile_fault", "region_fault"]

MOST_TARGETS = 64
"""Targets of one manifest: more than AWS has Regions. Each has clients, queues and a run folder of its own."""

REGION = re.compile(r"[a-z]{2,8}(?:-[a-z]{1,16}){1,3}-[0-9]{1,2}", re.ASCII)
"""What names of Regions are made of, in all partitions (botocore's ``partitions.json``: us-gov-west-1,
eusc-de-east-1, us-isob-east-1)."""

_LONGEST_PROFILE = 128
_PLAIN = re.compile(r"[a-z0-9_][a-z0-9_-]{0,63}", re.ASCII)
_ELSE = re.compile(r"[^A-Za-z0-9_-]", re.ASCII)
_CHAIN = "default"
_SHOWN = 40


class Target(NamedTuple):
    """An account and a Region.

    Attributes:
        profile: The AWS profile, or "" for the usual chain's.
        region: The Region, or "" for the profile's.
    """

    profile: str = ""
    region: str = ""

    @property
    def name(self) -> str:
        """What tells the folder of this target from those of all others, of characters that a run's name may have.

        It follows from the target alone, so that a run is found again whatever else its manifest has. Where the
        plain name could be another's too, on a disk without regard to case as well, a hash goes behind it. A plain
        name has one dot at most and ends in no hash: no Region is one.
        """
        parts = [part for part in (self.profile, self.region) if part]
        shown = ".".join(_ELSE.sub("-", part)[:_SHOWN] for part in parts) or _CHAIN
        plain = [
            not self.profile or (_PLAIN.fullmatch(self.profile) is not None and len(self.profile) <= _SHOWN),
            not self.region or REGION.fullmatch(self.region) is not None,
            # Alone it could be taken for the chain's, or for a Region without a profile.
            bool(self.region) or (self.profile != _CHAIN and REGION.fullmatch(self.profile) is None),
        ]
        if all(plain):
            return shown
        return f"{shown}.{hashlib.sha256(chr(0).join(self).encode()).hexdigest()[:8]}"

    def __str__(self) -> str:
        """Return it in words, safe to print."""
        parts = [f"profile {printable(self.profile, 64)}" if self.profile else "", printable(self.region, 64)]
        return " in ".join(part for part in parts if part) or "the default account and Region"


def profile_fault(profile: str) -> str | None:
    """Return what is wrong with the name of a profile, or None.

    AWS's files allow nearly any text. What nobody can see, or that no file could have in a heading of one line, is
    refused.
    """
    if len(profile) > _LONGEST_PROFILE:
        return f"the profile has {len(profile)} characters; one has {_LONGEST_PROFILE} at most"
    if hidden_at(profile) is not None or profile != profile.strip() or "]" in profile:
        return f"'{printable(profile, 64)}' is no name of an AWS profile"
    return None


def region_fault(region: str) -> str | None:
    """Return what is wrong with the name of a Region, or None."""
    if REGION.fullmatch(region):
        return None
    return f"'{printable(region, 64)}' is no AWS Region, as eu-central-1 is"
