"""``--identity`` and ``--passphrase`` of commands that look into keys: what opens them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.passwords import read_password
from pipeline.unsealing import Opener, read_identities

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["opener"]


def opener(identities: Sequence[str], passphrase: str | None) -> Opener | None:
    """Return what opens keys, or None where nothing was given.

    Args:
        identities: Paths of identity files, age's or SSH's.
        passphrase: Where the passphrase is, or None.

    Raises:
        UsageError: One of them cannot be had.
    """
    if not identities and passphrase is None:
        return None
    secret = None if passphrase is None else read_password(passphrase, "the passphrase of the keys", confirm=False)
    return Opener(read_identities(identities), secret)
