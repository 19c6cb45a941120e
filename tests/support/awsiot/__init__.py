"""A double of AWS IoT's control plane for the tests: real routes and errors, and failures on cue."""

from __future__ import annotations

from tests.support.awsiot.account import Account
from tests.support.awsiot.certificates import ListingLag
from tests.support.awsiot.errors import AwsError
from tests.support.awsiot.faults import Drop, Fail, Fault, Faults, Hang, LateCommit, Slow, Spoil
from tests.support.awsiot.journal import Call, Journal
from tests.support.awsiot.records import Certificate, Thing
from tests.support.awsiot.server import AwsIotDouble
from tests.support.awsiot.signing import Wrong
from tests.support.awsiot.thread import DoubleThread

__all__ = [
    "Account",
    "AwsError",
    "AwsIotDouble",
    "Call",
    "Certificate",
    "DoubleThread",
    "Drop",
    "Fail",
    "Fault",
    "Faults",
    "Hang",
    "Journal",
    "LateCommit",
    "ListingLag",
    "Slow",
    "Spoil",
    "Thing",
    "Wrong",
]
