"""The formats by name. A new one is a module beside this one, and one line here.

``pem`` is not among them: a device's folder is that bundle, whatever other formats are asked for besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline.bundles.parts import Contents, Parts

__all__ = ["FORMATS", "PEM", "Format", "unknown"]

PEM = "pem"
"""The format that every bundle has."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format that a device's files can be had in.

    Attributes:
        make: Makes the files of one device.
        about: What it is for, in a few words.
        opens_key: Whether the key itself is written in another form, so that one that is encrypted will not do.
            Other formats take the key's file as it is.
        needs_key: Whether it means nothing for a device that keeps its key itself.
    """

    make: Callable[[Parts], Contents]
    about: str
    opens_key: bool = False
    needs_key: bool = False


FORMATS: dict[str, Format] = {}
"""By name."""


def unknown(names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that are no format."""
    return [name for name in names if name != PEM and name not in FORMATS]
