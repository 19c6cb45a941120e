"""Rosters of given devices, filled as a manifest would fill one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.manifest import Roster
from pipeline.manifest.columns import layout_of
from pipeline.manifest.rows import ManifestRow
from pipeline.manifest.rules import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.device import Device

__all__ = ["roster_of"]


def roster_of(devices: Iterable[Device]) -> Roster:
    """Return a sealed roster of devices, which are taken to be without fault."""
    roster = Roster()
    for device in devices:
        name = device.thing_name
        entry = Entry(name, name.casefold(), None, device.line, device.to_json())
        # A row's reader is asked for a place only where it is a duplicate, and these are none.
        row = ManifestRow(device.line, layout_of(("thing_name",)), (name,), name, None)  # type: ignore[arg-type]
        roster.add(entry, row)
    roster.seal()
    return roster
