"""The state of a run: which of the eight steps is durable for each device.

SQLite in WAL mode, ``synchronous=FULL``. Each change names the state it starts from, so a step that is done
twice, or out of order, is refused by the database and not by good intentions.
"""

from __future__ import annotations

from pipeline.ledger.changes import Ledger
from pipeline.ledger.enrolment import IN_ROSTER
from pipeline.ledger.entries import Entry
from pipeline.ledger.joint import EXAMPLES, Joint, Listed, Overlap
from pipeline.ledger.processes import Process, Sample
from pipeline.ledger.reader import Reader, finished_ledger, live_ledger
from pipeline.ledger.records import Origin, Rejection, Standing

__all__ = [
    "EXAMPLES",
    "IN_ROSTER",
    "Entry",
    "Joint",
    "Ledger",
    "Listed",
    "Origin",
    "Overlap",
    "Process",
    "Reader",
    "Rejection",
    "Sample",
    "Standing",
    "finished_ledger",
    "live_ledger",
]
