"""Runs in virtual time, from seeds: what would take minutes of several machines takes a second of one core.

``kernel`` is the clock, ``server`` the account's side, ``station`` a run, ``account`` puts them together; ``call``
and ``work`` of ``station`` are the steps that whole runs can be made of. The rates are the product's own.
"""

from __future__ import annotations

from benchmarks.simulation.table import measure

__all__ = ["measure"]
