"""The name patterns, sizes and numbers that AWS IoT holds requests to, and that botocore does not check."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from tests.support.awsiot.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CSR_CHARACTERS",
    "GROUPS_PER_THING",
    "PAGE",
    "POLICIES_PER_TARGET",
    "check_attributes",
    "check_name",
    "check_policy_name",
    "invalid",
]

CSR_CHARACTERS = 4096
GROUPS_PER_THING = 10
POLICIES_PER_TARGET = 10
PAGE = 250

_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_POLICY = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_ATTRIBUTE = re.compile(r"[a-zA-Z0-9_.,@/:#-]{1,128}")
_VALUE = re.compile(r"[a-zA-Z0-9_.,@/:#=\[\]-]{0,800}")


def invalid(message: str) -> NoReturn:
    """Raise InvalidRequestException."""
    raise AwsError("InvalidRequestException", message)


def check_name(kind: str, name: str) -> str:
    """Return the name of a thing, type or group, or refuse it."""
    if _NAME.fullmatch(name) is None:
        invalid(f"{kind} name {name!r} does not match [a-zA-Z0-9:_-]{{1,128}}")
    return name


def check_policy_name(name: str) -> str:
    """Return the name of a policy, or refuse it."""
    if _POLICY.fullmatch(name) is None:
        invalid(f"policy name {name!r} does not match [\\w+=,.@-]{{1,128}}")
    return name


def check_attributes(attributes: Mapping[str, str], *, typed: bool) -> None:
    """Refuse attributes that break a pattern, or are more than 3 (50 for a thing with a type)."""
    most = 50 if typed else 3
    if len(attributes) > most:
        invalid(f"a thing may have {most} attributes, not {len(attributes)}")
    for name, value in attributes.items():
        if _ATTRIBUTE.fullmatch(name) is None:
            invalid(f"attribute name {name!r} is not allowed")
        if _VALUE.fullmatch(value) is None:
            invalid(f"the value of attribute {name!r} is not allowed")
