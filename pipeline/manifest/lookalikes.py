"""Columns that all but have the name of a field that keys, authority or the account depend on.

What is no field is a thing attribute. So with ``encrypted_to`` for ``encrypt_to`` a key would be written in clear,
with ``polcy`` a device be left without its policy, and with ``regin`` it would go to another Region, and nothing
would say so.

>>> lookalike("encryptedto"), lookalike("keytyp"), lookalike("devicetype")
('encrypt_to', 'key_type', None)
"""

from __future__ import annotations

from difflib import SequenceMatcher

__all__ = ["lookalike"]

_WATCHED = {
    "encryptto": "encrypt_to",
    "keytype": "key_type",
    "csr": "csr",
    "policy": "policy",
    "policyname": "policy_name",
    "profile": "profile",
    "awsprofile": "aws_profile",
    "region": "region",
    "awsregion": "aws_region",
}
"""Fields as headers are compared, and as they are written. Their aliases are matched before this is asked."""

_NEAR = 0.84
"""difflib's ratio from which two names are near: one letter of six more, or less. ``encrypt_for`` is near by it,
and ``keypad_type`` is not."""


def lookalike(name: str) -> str | None:
    """Return the field that a name is near to without being its name, or None.

    Args:
        name: A header, as headers are compared (``columns.normalised``).
    """
    return next((shown for field, shown in _WATCHED.items() if name != field and _near(name, field)), None)


def _near(name: str, field: str) -> bool:
    # The ratio has no such value where the lengths differ more: long names cost nothing.
    if 2 * min(len(name), len(field)) < _NEAR * (len(name) + len(field)):
        return False
    # Two letters that changed places are a slip too, and in a short name the ratio makes much of it.
    return sorted(name) == sorted(field) or SequenceMatcher(None, name, field).ratio() >= _NEAR
