"""The ledger held against ``audit.jsonl``: what is recorded of a device was done by calls that were recorded too.

The trail is always flushed before the ledger's commit that rests on it, so each state has its lines. There is one
exception: where a process was killed between CreateThing and its line, the next one finds the thing there, knows
from the ledger that it is its own, and makes no call. Such things are counted, and are no fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pipeline import audit
from pipeline.arns import CERTIFICATE_ID
from pipeline.aws.registry import ISSUE
from pipeline.codes import FindingCode
from pipeline.device import State
from pipeline.errors import DiskError
from pipeline.scratch import disk_errors, open_scratch
from pipeline.text import printable
from pipeline.verify.findings import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from pipeline.ledger import Entry, Reader

__all__ = ["Trail"]

_TABLES = """
PRAGMA cache_size = -16384;
CREATE TABLE said (
    call TEXT NOT NULL, certificate TEXT NOT NULL, about TEXT NOT NULL, request TEXT NOT NULL
) STRICT;
"""
# Made when all lines are in: sorting them once is several times as quick as keeping them sorted.
_INDEX = "CREATE INDEX by_call ON said (call, certificate, about, request)"

_ABOUT = {
    ISSUE: "thing",
    audit.ADOPTED: "common_name",
    "CreateThing": "thing",
    "AttachThingPrincipal": "thing",
    "AttachPolicy": "policy",
    "DeleteCertificate": "",
}
"""The calls that the ledger's states rest on, and which field of a line says what else they were about."""


class Trail:
    """What a run's trail says was done, in a scratch database. Use it as a context manager.

    Args:
        path: The trail.

    Attributes:
        torn: Lines that are torn: a kill can leave one. What follows them is read all the same.
        unrecorded_things: Things that the run made, of which ``about`` found no CreateThing.
        problem: Why there is nothing to hold the ledger against, or None.

    Raises:
        DiskError: The scratch database cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.torn = 0
        self.unrecorded_things = 0
        self.problem: Finding | None = None
        self._connection = open_scratch(_TABLES)
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def load(self) -> None:
        """Read the trail, whatever its length. May be called in another thread.

        Raises:
            DiskError: The scratch database cannot be written.
        """
        with disk_errors():
            self._connection.execute("BEGIN")
            try:
                self._connection.executemany("INSERT INTO said VALUES (?, ?, ?, ?)", self._lines())
            except FileNotFoundError:
                self.problem = _finding(
                    FindingCode.TRAIL_MISSING, "there is no audit.jsonl: nothing says what calls were made"
                )
            except DiskError as error:
                self.problem = _finding(FindingCode.TRAIL_UNREADABLE, error.message)
            self._connection.execute("COMMIT")
            self._connection.execute(_INDEX)

    def about(self, entry: Entry) -> list[Finding]:
        """Return what the trail lacks of a device, or has too much."""
        if self.problem is not None:
            return []
        findings: list[Finding] = []
        name, certificate = entry.device.thing_name, entry.certificate
        if entry.thing_created and entry.state > State.LISTED and not self._count("CreateThing", "", name):
            self.unrecorded_things += 1
        if certificate is None:
            return findings
        identity, policy = certificate.certificate_id, entry.device.policy
        issued = self._count(ISSUE, identity)
        if not issued and not self._count(audit.ADOPTED, identity):
            findings.append(
                _finding(FindingCode.ISSUE_MISSING, "the audit trail has no line that says it got its certificate")
            )
        if issued > 1:
            findings.append(
                _finding(FindingCode.ISSUED_TWICE, f"the audit trail says {issued} times that it was issued")
            )
        if issued and self._count(ISSUE, identity, name) < issued:
            message = "the audit trail says that its certificate was issued for another thing"
            findings.append(_finding(FindingCode.ISSUED_FOR_ANOTHER, message))
        if entry.state is State.DONE:
            if not self._count("AttachThingPrincipal", identity, name):
                message = "the audit trail has no line that says its certificate was attached to it"
                findings.append(_finding(FindingCode.ATTACHMENT_MISSING, message))
            if policy is not None and not self._count("AttachPolicy", identity, policy):
                message = f"the audit trail has no line that says it got the policy {printable(policy, 128)}"
                findings.append(_finding(FindingCode.POLICY_LINE_MISSING, message))
        return findings

    def unrecorded(self, reader: Reader) -> Iterator[tuple[str, Finding]]:
        """Yield certificates that were issued and of which the ledger knows nothing, each with its thing's name.

        Those that failed inspection are known, and so are those that were deleted.
        """
        question = "SELECT DISTINCT certificate, about FROM said WHERE call = ? ORDER BY certificate"
        for identity, thing in self._connection.execute(question, (ISSUE,)):
            if reader.holder_of(identity) is None and not self._is_settled(reader, identity):
                shown, name = printable(identity, 64), printable(thing, 128)
                message = (
                    f"certificate {shown} was issued for {name}, and the ledger does not know it: "
                    "thingmill reconcile looks for it, and so does the next run"
                )
                yield thing, _finding(FindingCode.UNRECORDED_CERTIFICATE, message)

    def _is_settled(self, reader: Reader, identity: str) -> bool:
        if self._count("DeleteCertificate", identity):
            return True
        if not CERTIFICATE_ID.fullmatch(identity):
            return False
        rejected = f"seq IN (SELECT seq FROM rejected WHERE certificate_id = '{identity}')"  # noqa: S608  hex digits
        return reader.count(rejected) > 0

    def _lines(self) -> Iterator[tuple[str, str, str, str]]:
        for number, line in audit.read(self._path):
            if line is None:
                self.torn += 1
            elif line["result"] == "ok" and line["call"] in _ABOUT:
                request = line.get("request_id") or f"line {number}"
                yield line["call"], _certificate_id(line), line.get(_ABOUT[line["call"]], ""), request

    def _count(self, call: str, certificate: str, about: str | None = None) -> int:
        """Return how many calls there were.

        A line that stands twice, as a disk that refused an append may leave it, is one call: AWS never gives two
        requests the same id. Lines without an id count each by itself.
        """
        question = "SELECT DISTINCT about, request FROM said WHERE call = ? AND certificate = ?"
        values = [call, certificate]
        if about is not None:
            question, values = f"{question} AND about = ?", [*values, about]
        return sum(1 for _ in self._connection.execute(question, values))


def _certificate_id(line: Mapping[str, str]) -> str:
    """Return the id of the certificate that a line is about: some calls name it by its ARN, others by its id."""
    return line.get("certificate", "").rpartition("/")[2]


def _finding(code: FindingCode, message: str) -> Finding:
    return Finding(Check.AUDIT, code, message)
