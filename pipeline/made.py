"""What a run made for itself before its first device: types, groups and policies, kept in its ledger.

That a name is about to be made is durable before the call, and that it was made after the answer. Only what was
certainly made is the run's: where no answer came, somebody else may have made it since.
"""

from __future__ import annotations

import enum
import json
from typing import TYPE_CHECKING

from pipeline.errors import RunFolderError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.ledger import Ledger

__all__ = ["Made", "Making", "recall"]


class Making(enum.Enum):
    """How far the making of something has come. The value is where the ledger keeps its name."""

    INTENDED = "making"
    DONE = "made"
    NOT = ""
    """It is not the run's, or is gone."""


def recall(meta: Mapping[str, str], making: Making = Making.DONE) -> dict[str, tuple[str, ...]]:
    """Return the names that have come so far by a ledger's notes, by kind, as ``preflight`` names the kinds.

    Raises:
        RunFolderError: No thingmill wrote these notes.
    """
    try:
        found = {kind: tuple(names) for kind, names in json.loads(meta.get(making.value, "{}")).items()}
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise _strange() from error
    if not all(isinstance(name, str) for names in found.values() for name in names):
        raise _strange()
    return found


def _strange() -> RunFolderError:
    return RunFolderError(
        "the ledger has a note of what the run made that no thingmill can have written",
        advice="do not use this run folder; get it anew from where it was made",
    )


class Made:
    """Keeps the names for a run that this process owns.

    Args:
        ledger: The run's ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def note(self, kind: str, name: str, making: Making) -> None:
        """Keep how far the making of something has come."""
        meta = self._ledger.read.meta()
        notes: dict[str, str] = {}
        for stage in (Making.INTENDED, Making.DONE):
            known = recall(meta, stage)
            names = tuple(other for other in known.get(kind, ()) if other != name)
            known[kind] = (*names, name) if stage is making else names
            notes[stage.value] = json.dumps({kind: names for kind, names in known.items() if names})
        await self._ledger.remember(notes)
