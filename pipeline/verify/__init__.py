"""A run held against itself, its audit trail, the account, and, when asked, proved over MQTT.

Nothing here changes a byte of the run, takes its lock, or makes a call that changes anything.
"""

from __future__ import annotations

from pipeline.verify.connecting import Connector
from pipeline.verify.findings import Check, Finding, Verdict
from pipeline.verify.remote import Account
from pipeline.verify.tally import Tally
from pipeline.verify.verdict_rows import VerdictRows, verdict_object
from pipeline.verify.verification import Checks, Remarks, verify

__all__ = [
    "Account",
    "Check",
    "Checks",
    "Connector",
    "Finding",
    "Remarks",
    "Tally",
    "Verdict",
    "VerdictRows",
    "verdict_object",
    "verify",
]
