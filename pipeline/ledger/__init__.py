"""The state of a run: which of the eight steps is durable for each device.

SQLite in WAL mode, ``synchronous=FULL``. Each change names the state it starts from, so a step that is done
twice, or out of order, is refused by the database and not by good intentions.
"""

from __future__ import annotations

from pipeline.ledger.changes import Ledger
from pipeline.ledger.enrolment import IN_ROSTER
from pipeline.ledger.processes import Process, Sample
from pipeline.ledger.reader import Entry, Reader, Rejection, Standing, finished_ledger, live_ledger

__all__ = [
    "IN_ROSTER",
    "Entry",
    "Ledger",
    "Process",
    "Reader",
    "Rejection",
    "Sample",
    "Standing",
    "finished_ledger",
    "live_ledger",
]
