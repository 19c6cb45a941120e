"""The names of AWS resources (ARNs) in one account and Region, in the partition that the Region belongs to."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["ANY", "CERTIFICATE_ARN", "CERTIFICATE_ID", "Place"]

CERTIFICATE_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
"""The hex SHA-256 of a certificate's DER."""

CERTIFICATE_ARN = re.compile(r"arn:aws[a-z-]*:iot:[a-z0-9-]+:[0-9]{12}:cert/([0-9a-f]{64})", re.ASCII)
"""A certificate of AWS IoT; its one group is the id."""

ANY = "*"
"""Stands in a policy for every Region, or every account."""

_PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
    "eu-isoe-": "aws-iso-e",
    "eusc-": "aws-eusc",
}
"""By how the names of its Regions begin; all others are in ``aws`` (botocore, ``partitions.json``)."""


@dataclass(frozen=True, slots=True)
class Place:
    """An account and a Region, or any.

    Attributes:
        region: For instance ``eu-central-1``.
        account: Twelve digits.
    """

    region: str = ANY
    account: str = ANY

    @property
    def partition(self) -> str:
        """The first part of an ARN; ``aws`` where the Region is not said."""
        return next((name for start, name in _PARTITIONS.items() if self.region.startswith(start)), "aws")

    def iot(self, resource: str) -> str:
        """Return the ARN of a resource of AWS IoT.

        >>> Place("cn-north-1", "123456789012").iot("thing/pump")
        'arn:aws-cn:iot:cn-north-1:123456789012:thing/pump'
        """
        return f"arn:{self.partition}:iot:{self.region}:{self.account}:{resource}"

    def iam(self, resource: str) -> str:
        """Return the ARN of a resource of IAM, which knows no Regions.

        >>> Place("cn-north-1", "123456789012").iam("role/line")
        'arn:aws-cn:iam::123456789012:role/line'
        """
        return f"arn:{self.partition}:iam::{self.account}:{resource}"
