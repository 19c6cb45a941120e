"""Where the files of a run are.

A device's folder is filled in ``staging/`` and gets its place in ``devices/`` by one rename when it is whole,
so whatever stands in ``devices/`` can be handed out. The key is written once, and moves with its folder.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DEVICES", "EXPORTS", "STAGING", "RunFolder"]

DEVICES, STAGING, EXPORTS = "devices", "staging", "export"
"""The folders in a run's own that may hold keys."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run.

    Attributes:
        root: The folder, for instance ``output/demo``.
        shard: Spread devices over ``devices/ab/`` by the first byte of the SHA-256 of their names.
    """

    root: Path
    shard: bool = False

    @property
    def ledger(self) -> Path:
        """The run's state."""
        return self.root / "ledger.db"

    @property
    def audit(self) -> Path:
        """The trail of the calls that changed something."""
        return self.root / "audit.jsonl"

    @property
    def lock(self) -> Path:
        """The file that the run's one owner holds locked."""
        return self.root / ".lock"

    @property
    def devices(self) -> Path:
        """The folder of whole bundles."""
        return self.root / DEVICES

    @property
    def staging(self) -> Path:
        """The folder of bundles that are not whole yet."""
        return self.root / STAGING

    @property
    def exports(self) -> Path:
        """The folder of bundles that were written in other formats afterwards, each below one of its format."""
        return self.root / EXPORTS

    def staged(self, thing_name: str) -> Path:
        """The folder in which a device's files are gathered."""
        return self.root / STAGING / thing_name

    def bundle(self, thing_name: str) -> Path:
        """The folder in which a device's whole bundle stands."""
        return self.below(self.devices, thing_name)

    def below(self, above: Path, thing_name: str) -> Path:
        """A device's folder in a folder for all of them, in the way of this run."""
        if not self.shard:
            return above / thing_name
        return above / hashlib.sha256(thing_name.encode()).hexdigest()[:2] / thing_name

    def partial(self, above: Path, thing_name: str) -> Path:
        """The folder beside ``below`` in which its files are gathered; no thing's name begins so."""
        return self.below(above, thing_name).with_name(f".{thing_name}.partial")
