"""Named places at which a test can stop this process dead, as a power cut or ``kill -9`` would.

Absent unless ``THINGMILL_FAILPOINTS`` is set: ``hit`` is then a function that does nothing. With
``THINGMILL_FAILPOINTS=ledger.commit:3`` the third time that any thread of a process passes ``ledger.commit``,
that process kills itself with SIGKILL: no handler runs, nothing is flushed.
"""

from __future__ import annotations

import itertools
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NAMES", "hit"]

NAMES = (
    "file.create",
    "file.written",
    "file.synced",
    "key.durable",
    "key.receipt",
    "ledger.commit",
    "ledger.committed",
    "call.before",
    "call.after",
    "certificate.before",
    "certificate.after",
    "bundle.rename",
    "bundle.renamed",
    "report.before",
    "reconcile.adopt",
)
"""Every failpoint there is; ``tests`` hold that each is passed in a run."""


def _armed() -> Callable[[str], None]:
    wanted: dict[str, int] = {}
    for entry in os.environ.get("THINGMILL_FAILPOINTS", "").split(","):
        name, _, nth = entry.partition(":")
        if name:
            wanted[name] = int(nth or 1)
    if not wanted:
        return lambda _name: None
    unknown = wanted.keys() - set(NAMES)
    if unknown:
        raise ValueError(f"THINGMILL_FAILPOINTS names no failpoint: {', '.join(sorted(unknown))}")
    counters = {name: itertools.count(1) for name in wanted}

    def hit_armed(name: str) -> None:
        if name in wanted and next(counters[name]) == wanted[name]:
            os.kill(os.getpid(), signal.SIGKILL)

    return hit_armed


hit = _armed()
