"""Formats and listings as a command line names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.nearest import did_you_mean
from pipeline.errors import UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["known", "refuse_opening"]


def known(names: Sequence[str]) -> tuple[str, ...]:
    """Return names of formats and listings, each once and in their order.

    Raises:
        UsageError: There is none of such a name.
    """
    from pipeline.bundles.formats import FORMATS, PEM
    from pipeline.bundles.listings import LISTINGS

    there = (PEM, *FORMATS, *LISTINGS)
    for name in names:
        if name not in there:
            near = did_you_mean(name, there)
            raise UsageError(
                f"there is no format {printable(name)}", advice=f"{near} there are {', '.join(there)}".lstrip()
            )
    return tuple(dict.fromkeys(names))


def refuse_opening(formats: Sequence[str]) -> None:
    """Refuse formats that keys are written into in another form, or lead to them, where keys are encrypted.

    Raises:
        UsageError: One of ``formats`` is such.
    """
    from pipeline.bundles.formats import FORMATS
    from pipeline.bundles.listings import LISTINGS

    for name in formats:
        if name in LISTINGS and LISTINGS[name].opens_key:
            raise UsageError(
                f"keys are encrypted, and what reads {name} has to find them in clear",
                advice="leave it out, and export a format that the line takes instead",
            )
        if name in FORMATS and FORMATS[name].opens_key:
            raise UsageError(
                f"keys are encrypted, and the format {name} has to have them in clear",
                advice="leave it out, and make it where keys may be opened: thingmill export … --in-clear with "
                "--identity FILE or --passphrase SOURCE",
            )
