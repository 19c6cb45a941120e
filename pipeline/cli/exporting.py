"""One invocation of ``thingmill export``: bundles written where they are to go, and what becomes of each said."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.app import run_async
from pipeline.cli.saying import say, say_object
from pipeline.counting import counted
from pipeline.published import VERSION
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.cli.destination import Destination
    from pipeline.export import Exported, Order
    from pipeline.layout import RunFolder
    from pipeline.ledger import Reader

__all__ = ["Exporting"]

_TOLD_SECONDS = 5.0
"""How often it is said how far an export is."""


@dataclass(slots=True)
class Exporting:
    """One export: carried out, with what becomes of each device said and counted.

    Attributes:
        folder: The run's folder.
        reader: Its ledger.
        order: What is to be exported.
        goes_to: Where to.
        as_json: Whether it is said in JSON.
        devices: Those that were in work.
        failed: Those of them that are not there in some format.
    """

    folder: RunFolder
    reader: Reader
    order: Order
    goes_to: Destination
    as_json: bool
    devices: int = 0
    failed: int = 0
    unsound: int = 0
    differing: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    _notes: list[str] = field(default_factory=list)
    _due: float = field(default_factory=lambda: time.monotonic() + _TOLD_SECONDS)

    def carry_out(self, listings: Sequence[str]) -> None:
        """Export, and say what came of it however it ends; a refusal before the first device says enough."""
        try:
            if self.order.formats:
                run_async(self._export)
            if listings:
                self._list(listings)
        except BaseException:
            if self.devices:
                self._conclude()
            raise
        self._conclude()

    async def _export(self) -> None:
        from pipeline.export import export

        async with self.goes_to.open() as place:
            try:
                await export(self.reader, self.folder, self.order, place, self._add)
            finally:
                self._notes = place.notes()

    def _list(self, listings: Sequence[str]) -> None:
        """Write listings and say which files they are; none goes to a bucket (``destination``)."""
        from pipeline.bundles.listings import LISTINGS
        from pipeline.places import prepare
        from pipeline.report import write_listings

        to = Path(self.goes_to.shown)
        prepare(to)
        for note in write_listings(self.reader, self.folder, listings, to):
            self.failed += 1
            say(f"thingmill: {note}", err=True)
        self.devices = self.devices or self._done()
        for name in listings if not self.as_json else ():
            say(f"listing   {to / name / LISTINGS[name].name}")

    def _add(self, exported: Exported) -> None:
        self.devices += 1
        self.failed += bool(exported.problems)
        self.unsound += exported.unsound
        self.differing += exported.differs
        self.fates.update(exported.fates.values())
        if self.as_json:
            event = {
                "event": "failed" if exported.problems else "exported",
                "thing": exported.thing_name,
                "formats": dict(exported.fates),
                "problems": list(exported.problems),
            }
            say_object(event)
        else:
            for problem in exported.problems:
                say(f"{exported.thing_name}: {problem}")
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _TOLD_SECONDS
            total = len(self.order.names) or self._done()
            say(f"exported {self.devices:,} of {counted(total, 'device')}", err=True)

    def _done(self) -> int:
        from pipeline.report import FINISHED

        return self.reader.count(FINISHED)

    def _conclude(self) -> None:
        if self.as_json:
            summary = {
                "event": "summary",
                "version": VERSION,
                "devices": self.devices,
                "failed": self.failed,
                "folder": printable(self.goes_to.shown, 4096),
                **{fate.replace(" ", "_"): self.fates[fate] for fate in ("written", "there", "left out")},
            }
            say_object(summary)
            return
        for fate, meaning in (
            ("written", "bundles written"),
            ("there", "were there already, and the same"),
            ("left out", "need a key, and the device keeps its own"),
        ):
            if self.fates[fate]:
                say(f"{fate:<9} {self.fates[fate]:,}: {meaning}")
        for note in self._notes:
            say(note)
        devices = counted(self.devices, "device")
        say(f"{self.devices - self.failed:,} of {devices} exported to {self.goes_to.shown}")
        if self.differing:
            say("what differs is never written over: move it away, or give another --to", err=True)
        if self.unsound:
            say(
                "a bundle that is not in order is not exported; docs/troubleshooting.md has what to do by the "
                "codes in brackets",
                err=True,
            )
