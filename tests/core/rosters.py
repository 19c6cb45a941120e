"""Rosters of given devices, filled as a manifest would fill one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.manifest import Roster

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.device import Device

__all__ = ["roster_of"]


def roster_of(devices: Iterable[Device]) -> Roster:
    """Return a sealed roster of devices, which are taken to be without fault."""
    roster = Roster()
    for device in devices:
        name = device.thing_name
        entry = (name, name.casefold(), None, device.line, device.to_json())
        # A row is asked for only where it is a duplicate, and these are none.
        roster.add(entry, None)  # type: ignore[arg-type]
    roster.seal()
    return roster
