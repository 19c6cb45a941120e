"""What ``thingmill verify`` says: as a table, as JSON lines and as CSV; and what it refuses and never does."""

from __future__ import annotations

import csv
import fcntl
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.sightings import Connection, read
from tests.e2e.command import KEYS, Workplace, snapshot
from tests.support.awsiot import DoubleThread
from tests.support.thorough import sampled
from tests.verify.inspecting import NAMES, OWN, entry_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def workplace(root: Path) -> Workplace:
    """The command line, in the folder that the copied run is in."""
    return Workplace(root.parent)


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_in_order_is_counted(workplace: Workplace) -> None:
    """Each check says how many devices passed it, and the exit code is 0."""
    told = workplace.run("verify", "run").stdout.splitlines()
    assert told == ["offline  4 of 4 in order", "audit    4 of 4 in order", "4 of 4 bundles verified"]


def test_verifying_changes_no_byte(root: Path, workplace: Workplace) -> None:
    """Files, modes and times of the run are as before, whether something is wrong or not."""
    before = snapshot(root)
    workplace.run("verify", "run")
    assert snapshot(root) == before
    (root / "devices" / "one" / "one.key").chmod(0o644)
    before = snapshot(root)
    workplace.run("verify", "run", "--json", "--csv", str(root.parent / "result.csv"), expect=1)
    assert snapshot(root) == before


def test_each_problem_is_a_line(root: Path, workplace: Workplace) -> None:
    """A name, what is wrong and its code; then the counts; and the exit code is 1."""
    (root / "devices" / "one" / "one.key").chmod(0o644)
    (root / "devices" / "two" / "two.csr").unlink()
    (root / "devices" / "stray").mkdir()
    told = workplace.run("verify", "run", expect=1).stdout.splitlines()
    assert set(told[:3]) == {
        "one: its key has mode 0644, not 0400 (KeyMode)",
        "two: two.csr is missing (FileMissing)",
        "devices/stray is not of this run (ForeignFolder)",
    }
    assert told[3:] == ["offline  2 of 4 in order", "audit    4 of 4 in order", "2 of 4 bundles verified"]


def test_of_many_devices_that_are_not_done_the_first_are_named(root: Path, workplace: Workplace) -> None:
    """In the manifest's order, and the others are counted, however many a run that was stopped has left."""
    with closing(sqlite3.connect(root / "ledger.db", isolation_level=None)) as connection:
        connection.execute("UPDATE devices SET state = 0, outcome = NULL WHERE thing_name != 'one'")
        (seq,) = connection.execute("SELECT max(seq) FROM devices").fetchone()
        for number in range(1, 105):
            connection.execute(
                "INSERT INTO devices (thing_name, folded, line, description, state) "
                "SELECT ?1, ?1, ?2, replace(description, thing_name, ?1), 0 FROM devices WHERE thing_name = 'two'",
                (f"more-{number:03}", 100 + number),
            )
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert seq == 4
    told = workplace.run("verify", "run", expect=1).stdout.splitlines()
    named = [line.split(":")[0] for line in told if line.endswith("run the manifest again (NotDone)")]
    assert named == ["two", "three", OWN, *(f"more-{number:03}" for number in range(1, 98))]
    assert "7 more devices are not done (NotDone): see --csv" in told


def test_json_has_a_line_for_each_device_and_one_of_counts(root: Path, workplace: Workplace) -> None:
    """Each verdict names its device, its certificate and its problems; the last line counts them."""
    (root / "devices" / "one" / "one.key").chmod(0o644)
    *verdicts, counts = lines_of(workplace.run("verify", "run", "--json", expect=1).stdout)
    by_name = {verdict["thing_name"]: verdict for verdict in verdicts}
    assert set(by_name) == {*NAMES, OWN}
    certificate = entry_of(root, "one").certificate
    assert certificate is not None
    assert by_name["one"] == {
        "event": "device",
        "thing_name": "one",
        "ok": False,
        "outcome": "done",
        "problems": [{"check": "offline", "code": "KeyMode", "message": "its key has mode 0644, not 0400"}],
        "connected": None,
        "sealed": False,
        "certificate_id": certificate.certificate_id,
    }
    assert all(by_name[name]["ok"] for name in ("two", "three", OWN))
    assert counts == {
        "event": "summary",
        "version": 1,
        "devices": 4,
        "ok": 3,
        "problems": 1,
        "skipped": 0,
        "revoked": 0,
        "keeping_their_keys": 1,
        "connected": 0,
        "sealed": 0,
        "checks": {"offline": {"looked": 4, "failed": 1}, "audit": {"looked": 4, "failed": 0}},
        "codes": {"KeyMode": 1},
        "torn_lines": 0,
        "unrecorded_things": 0,
        "refused_as_another": "",
    }


def test_json_without_a_connection_shows_nobody_connected(root: Path, workplace: Workplace) -> None:
    """What only looked at files is no evidence that a device has its new certificate."""
    path = root.parent / "result.jsonl"
    path.write_text(workplace.run("verify", "run", "--json").stdout, encoding="utf-8")
    with path.open("rb") as stream:
        assert not any(isinstance(line, Connection) for line in read(stream))


def test_csv_has_the_devices_in_the_order_of_the_manifest(root: Path, workplace: Workplace) -> None:
    """A row for each problem, one for each device without any, no formula, and no word of what was not tried."""
    (root / "devices" / "two" / "two.csr").unlink()
    (root / "devices" / "two" / "=cmd").touch()
    path = root.parent / "results" / "result.csv"
    workplace.run("verify", "run", "--csv", str(path), expect=1)
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["thing_name", "outcome", "ok", "connected", "check", "code", "message", "certificate_id"]
    assert [row[:6] for row in rows] == [
        ["one", "done", "yes", "", "", ""],
        ["two", "done", "no", "", "offline", "FileMissing"],
        ["two", "done", "no", "", "offline", "ForeignFile"],
        ["three", "done", "yes", "", "", ""],
        [OWN, "done", "yes", "", "", ""],
    ]
    assert not any(cell.startswith("=") for row in rows for cell in row)


def test_a_run_that_a_process_has_is_left_alone(root: Path, workplace: Workplace) -> None:
    """It ends with 4 and names the process."""
    (root / ".lock").write_text("4711\n", encoding="ascii")
    with (root / ".lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = workplace.run("verify", "run", expect=4).stderr
    assert "in use by process 4711" in told


def test_a_device_that_the_run_does_not_have_ends_with_2(workplace: Workplace) -> None:
    """A name that was mistyped is not taken for a device in order."""
    assert "no device tow" in workplace.run("verify", "run", "--device", "tow", expect=2).stderr


@pytest.mark.parametrize(
    ("options", "reason"),
    sampled(
        [
            (("--connect", "--topic", "things/+/up"), "wildcard"),
            (("--topic", "up"), "--connect"),
            (("--port", "443"), "--connect"),
            (("--remote", "--local", "--endpoint-url", "http://localhost:1"), "exclude each other"),
            (("--remote", "--quota", "Nothing=1"), "no such operation"),
        ],
        lambda case: case[0][0] != "--port",
    ),
    ids=" ".join,
)
def test_options_that_cannot_be_meant_end_with_2(
    workplace: Workplace, options: tuple[str, ...], reason: str
) -> None:
    """A wrong option is told before anything is looked at."""
    result = workplace.run("verify", "run", *options, expect=2)
    assert reason in result.stderr
    assert result.stdout == ""


def set_meta(root: Path, key: str, value: str) -> None:
    with closing(sqlite3.connect(root / "ledger.db", isolation_level=None)) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))


def test_a_run_of_another_account_or_region_ends_with_4(root: Path) -> None:
    """Certificates are not looked for where they were never issued, and what differs is said."""
    with DoubleThread() as double:
        workplace = Workplace(root.parent, KEYS | {"AWS_ENDPOINT_URL": double.url})
        told = workplace.run("verify", "run", "--remote", "--region", "eu-north-1", expect=4).stderr
        assert "made in the Region eu-west-1, not eu-north-1" in told
        set_meta(root, "account", "210987654321")
        told = workplace.run("verify", "run", "--remote", expect=4).stderr
        assert "made in the account 210987654321, not 123456789012" in told
        asked = double.run(lambda d: {call.operation for call in d.journal.calls})
    assert not any("Certificate" in operation for operation in asked)


def test_no_credentials_end_with_3(workplace: Workplace) -> None:
    """What AWS refuses for all devices alike is not said of each."""
    with DoubleThread() as double:
        result = workplace.run("verify", "run", "--remote", "--endpoint-url", double.url, expect=3)
    assert "aws configure" in result.stderr
    assert result.stdout == ""


def test_a_run_that_was_killed_can_be_verified(root: Path) -> None:
    """What is in its ledger's log alone counts, and the log is left as it was."""
    path = root / "ledger.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE devices SET state = 7 WHERE thing_name = 'two'")
        # As a kill leaves them: the log is beside the file, and nobody folded it in.
        left = {name: path.with_name(name).read_bytes() for name in ("ledger.db", "ledger.db-wal")}
    for name, data in left.items():
        path.with_name(name).write_bytes(data)
    told = Workplace(root.parent).run("verify", "run", expect=1).stdout
    assert "two: it is not finished (it stands at LINKED): run the manifest again (NotDone)" in told
    assert {name: path.with_name(name).read_bytes() for name in left} == left
