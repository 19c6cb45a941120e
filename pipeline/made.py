"""What a run made for itself before its first device: types, groups and policies, kept in its ledger.

Each name is durable before the call that makes it, so whoever takes the run back knows of all of them, also when
it was killed half-way; and a name that was there before, or that somebody else made, is never among them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.ledger import Ledger

__all__ = ["Made", "recall"]

_KEY = "made"


def recall(meta: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return what a ledger's notes say that its run made, by kind, as ``preflight`` names the kinds."""
    return {kind: tuple(names) for kind, names in json.loads(meta.get(_KEY, "{}")).items()}


class Made:
    """Keeps the names for a run that this process owns.

    Args:
        ledger: The run's ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def note(self, kind: str, name: str, made: bool) -> None:
        """Keep that the run is about to make something (True), or that it is not its own, or is gone (False)."""
        known = recall(self._ledger.read.meta())
        names = [other for other in known.get(kind, ()) if other != name]
        known[kind] = (*names, name) if made else tuple(names)
        kept = {kind: names for kind, names in known.items() if names}
        await self._ledger.remember({_KEY: json.dumps(kept)})
