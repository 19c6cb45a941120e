"""The audit trail: each change with who, when, what and how it ended, on disk before the ledger rests on it."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pipeline import audit
from pipeline.audit import AuditTrail
from pipeline.device import Device, State
from pipeline.errors import DiskError
from pipeline.ledger import Ledger, live_ledger
from tests.core.rosters import roster_of
from tests.support.awsiot import Drop, Fail
from tests.support.thorough import sampled
from tests.torture.scene import Scene

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.mill import Mill

pytestmark = pytest.mark.anyio

IDENTITY = "arn:aws:iam::123456789012:user/factory"
DOCUMENT = '{"Version": "2012-10-17", "Statement": []}'
LOST = "ConnectionClosedError"
"""The code of an answer that never came, which has no request id."""
SUBJECTS = {
    "AddThingToThingGroup": {"thing", "group"},
    "AttachPolicy": {"policy", "certificate"},
    "AttachThingPrincipal": {"thing", "certificate"},
    "CreateBillingGroup": {"group"},
    "CreateCertificateFromCsr": {"thing", "certificate"},
    "CreatePolicy": {"policy"},
    "CreateThing": {"thing"},
    "CreateThingGroup": {"group"},
    "CreateThingType": {"type"},
}
"""What each call of a run is about."""


def lines(path: Path) -> list[dict[str, str]]:
    """Return the lines of a trail; all have to be whole."""
    found = [line for _, line in audit.read(path)]
    assert None not in found
    return [line for line in found if line is not None]


async def test_every_change_has_its_line(mill: Mill) -> None:
    """Each call that changed something stands there once, with time, identity, request id, result and subject."""
    begun = datetime.now(UTC)
    manifest = "name,thing_type,thing_groups,billing_group\none,Pump,hall-b,spares\ntwo,Pump,hall-b;pilot,\n"
    await mill.run(manifest, suffix=".csv", create_missing=True, policy="fresh", policy_document=DOCUMENT)
    found = lines(mill.folder.audit)
    calls = {call.request_id: call for call in mill.double.journal.calls if call.mutating}
    assert sorted(line["request_id"] for line in found) == sorted(calls)
    assert {line["call"] for line in found} == SUBJECTS.keys()
    for line in found:
        call = calls[line["request_id"]]
        assert (line["call"], line["result"]) == (call.operation, call.outcome)
        assert line["identity"].startswith("arn:aws:")
        at = datetime.fromisoformat(line["time"])
        assert begun - timedelta(milliseconds=1) <= at <= datetime.now(UTC)
        assert {"time", "call", "result", "request_id", "identity"} | SUBJECTS[line["call"]] == line.keys()
    certificates = {line["certificate"] for line in found if line["call"] == "CreateCertificateFromCsr"}
    assert certificates == set(mill.double.account.store.certificates)


async def test_failed_attempts_have_their_line_and_code(mill: Mill) -> None:
    """A throttle, a refusal and a lost answer stand there like a success, each with the code of what happened."""
    faults = mill.double.faults
    faults.script("CreateThing", Fail("ThrottlingException"))
    faults.script("AttachThingPrincipal", Drop())
    faults.script("AttachPolicy", Fail("LimitExceededException"))
    await mill.run()
    results = [(line["call"], line["result"]) for line in lines(mill.folder.audit)]
    assert results == [
        ("CreateThing", "ThrottlingException"),
        ("CreateThing", "ok"),
        ("CreateCertificateFromCsr", "ok"),
        ("AttachThingPrincipal", LOST),
        ("AttachThingPrincipal", "ok"),
        ("AttachPolicy", "LimitExceededException"),
    ]
    ids = {call.request_id for call in mill.double.journal.calls}
    for line in lines(mill.folder.audit):
        assert (line["request_id"] in ids) == (line["result"] != LOST)


async def test_a_lost_certificate_has_a_line_when_it_is_taken(mill: Mill) -> None:
    """A request without an answer stands there with its failure, and what was found of it as adopted."""
    mill.double.faults.script("CreateCertificateFromCsr", Drop(after=True))
    await mill.run()
    asked, adopted = [
        line for line in lines(mill.folder.audit) if line["call"] in {"CreateCertificateFromCsr", audit.ADOPTED}
    ]
    assert (asked["call"], asked["result"], "certificate" in asked) == ("CreateCertificateFromCsr", LOST, False)
    [certificate] = mill.certificates("one")
    assert (adopted["certificate"], adopted["common_name"]) == (certificate.certificate_id, "one")


async def test_nothing_secret_is_in_it(mill: Mill) -> None:
    """No PEM block, and no line of a key, a CSR or a certificate, is in the trail."""
    await mill.run("one\ntwo\n")
    trail = mill.folder.audit.read_text(encoding="ascii")
    assert "BEGIN" not in trail
    bodies = [
        line
        for name in ("one", "two")
        for suffix in ("key", "csr", "pem")
        for line in (mill.folder.bundle(name) / f"{name}.{suffix}").read_text(encoding="ascii").splitlines()
        if not line.startswith("-")
    ]
    assert len(bodies) > 20
    assert not any(body in trail for body in bodies)


def test_foreign_text_is_made_plain(tmp_path: Path) -> None:
    """What a server or a manifest named comes out visible, on one line."""
    path = tmp_path / "audit.jsonl"
    with AuditTrail(path, IDENTITY) as trail:
        trail.record("CreateThing", {"thing": "a\x1b[31m\nb\u202e"}, "ok", "id\r\n")
    [line] = lines(path)
    assert (line["thing"], line["request_id"]) == ("a\\x1b[31m\\x0ab\\u202e", "id\\x0d\\x0a")
    assert path.read_bytes().isascii()


def test_a_second_process_goes_on_in_the_same_file(tmp_path: Path) -> None:
    """What is there stays; a line that a kill tore is told as torn, with its number, and harms no other."""
    path = tmp_path / "audit.jsonl"
    for name in ("one", "two"):
        with AuditTrail(path, IDENTITY) as trail:
            trail.record("CreateThing", {"thing": name}, "ok", name)
        with path.open("ab") as file:
            file.write(b'{"time": "2025')
    found = list(audit.read(path))
    assert [(number, line and line["thing"]) for number, line in found] == [
        (1, "one"),
        (2, None),
        (3, "two"),
        (4, None),
    ]


@pytest.mark.parametrize("line", ["[]", "7", '{"time": 1, "call": "", "result": ""}', '{"time": "", "call": ""}'])
def test_what_is_no_line_of_a_trail_is_told(tmp_path: Path, line: str) -> None:
    """JSON that is not a call is no call."""
    path = tmp_path / "audit.jsonl"
    path.write_text(line + "\n", encoding="ascii")
    assert list(audit.read(path)) == [(1, None)]


async def test_lines_are_on_disk_before_the_commit_that_rests_on_them(tmp_path: Path) -> None:
    """While the ledger's change is not committed yet, the trail has the line already."""
    path, seen = tmp_path / "audit.jsonl", []
    with roster_of([Device("one", 1, "one")]) as roster, AuditTrail(path, IDENTITY) as trail:

        def flush() -> None:
            trail.flush()
            with closing(live_ledger(tmp_path / "ledger.db")) as reader:
                seen.append((len(lines(path)), [entry.state for entry in reader.entries()]))

        async with Ledger(tmp_path / "ledger.db", flush) as ledger:
            await ledger.enrol(roster.path)
            trail.record("CreateThing", {"thing": "one"}, "ok", "1")
            await ledger.planned(1, created=True)
    assert seen == [(1, [State.LISTED])]


async def test_a_disk_that_refuses_a_line_fails_the_commit_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger never says more than the trail: its change is undone, and the line goes with the next commit."""
    path, write = tmp_path / "audit.jsonl", os.write

    def refuse(handle: int, data: memoryview) -> int:
        if bytes(data[:8]) == b'{"time":':
            raise OSError(28, "No space left on device")
        return write(handle, data)

    with roster_of([Device("one", 1, "one")]) as roster, AuditTrail(path, IDENTITY) as trail:
        async with Ledger(tmp_path / "ledger.db", trail.flush) as ledger:
            await ledger.enrol(roster.path)
            trail.record("CreateThing", {"thing": "one"}, "ok", "1")
            with monkeypatch.context() as patch:
                patch.setattr(os, "write", refuse)
                with pytest.raises(DiskError, match="No space left"):
                    await ledger.planned(1, created=True)
            assert [entry.state for entry in ledger.read.entries()] == [State.LISTED]
            assert lines(path) == []
            await ledger.planned(1, created=True)
            assert [line["request_id"] for line in lines(path)] == ["1"]


@pytest.mark.parametrize(
    "failpoints",
    sampled(
        ["ledger.commit:4", "ledger.committed:5", "ledger.commit:9", "ledger.committed:12", "ledger.commit:14"],
        lambda case: case in {"ledger.committed:5", "ledger.commit:9"},
    ),
)
async def test_a_kill_leaves_no_state_without_its_line(tmp_path: Path, failpoints: str) -> None:
    """Killed around a commit, the ledger says of no device what the trail does not say; nor at the end."""
    with Scene(tmp_path, [f"device-{number}" for number in range(4)]) as scene:
        ended = scene.run(failpoints)
        assert ended.killed, (ended.code, ended.err)
        assert_trail_holds(scene.root)
        scene.finish()
        assert_trail_holds(scene.root, resumed=True)


def assert_trail_holds(root: Path, *, resumed: bool = False) -> None:
    """Hold every durable state against the calls that it rests on.

    Where a kill came between CreateThing and its line, a resumed run finds the thing there and makes no call.
    """
    trail = [line for _, line in audit.read(root / "audit.jsonl") if line is not None and line["result"] == "ok"]
    about = {(line["call"], line.get("thing") or line["certificate"].rpartition("/")[2]) for line in trail}
    issued = {line["certificate"] for line in trail if line["call"] in {"CreateCertificateFromCsr", audit.ADOPTED}}
    with closing(live_ledger(root / "ledger.db")) as reader:
        for entry in reader.entries():
            name = entry.device.thing_name
            if entry.state >= State.PLANNED and not resumed:
                assert ("CreateThing", name) in about
            if entry.certificate is not None:
                assert entry.certificate.certificate_id in issued
            if entry.state >= State.LINKED:
                assert {("AttachThingPrincipal", name), ("AddThingToThingGroup", name)} <= about
            if entry.state is State.DONE:
                assert entry.certificate is not None
                assert ("AttachPolicy", entry.certificate.certificate_id) in about
