"""What must be the same at the run, the scheduler and each worker, and what to say where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PACKAGES", "differences"]

PACKAGES = ("thingmill", "cryptography")
"""What is asked for besides the packages of Dask, which are always told."""

_SAME = (*PACKAGES, "distributed")


def differences(here: Mapping[str, Any], there: object) -> list[str]:
    """Return what differs between this process and another one, one phrase each.

    Args:
        here: What ``distributed.versions.get_versions`` says of this process.
        there: What the other one says of itself; foreign, and may be anything.
    """
    said = there.get("packages") if isinstance(there, dict) else None
    ours, theirs = here["packages"], said if isinstance(said, dict) else {}
    found = [
        _phrase(name, _text(ours.get(name)), _text(theirs.get(name)))
        for name in _SAME
        if ours.get(name) != theirs.get(name)
    ]
    # Pickles of one minor version of Python need not be read by another.
    python, other = (_minor(packages.get("python")) for packages in (ours, theirs))
    if python != other:
        found.append(_phrase("Python", python, other))
    return found


def _phrase(name: str, here: str, there: str) -> str:
    return f"{name} {there} (here {here})"


def _text(version: object) -> str:
    return "is missing" if version is None else printable(str(version), 40)


def _minor(version: object) -> str:
    return _text(None if version is None else ".".join(str(version).split(".")[:2]))
