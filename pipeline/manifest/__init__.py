"""The manifest: rows in, devices out, and every fault with its place.

    with load("line-7.csv", Defaults(policy="device")) as roster:
        for device in roster.devices():
            ...

One file a job: ``lines`` (text), ``plain``, ``delimited``, ``jsonl`` and ``toml`` (formats), ``columns`` (what a
header means), ``rules`` (what a row must keep), ``roster`` (what is left).
"""

from __future__ import annotations

from pipeline.manifest.faults import Fault, Place
from pipeline.manifest.loading import Progress, load, run_settings
from pipeline.manifest.roster import Roster
from pipeline.manifest.totals import Totals

__all__ = ["Fault", "Place", "Progress", "Roster", "Totals", "load", "run_settings"]
