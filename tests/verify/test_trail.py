"""The ledger held against the audit trail: a line too few or too many is named."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pipeline.verify import Checks
from tests.verify.inspecting import entry_of, found, told, verify_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STRANGE = "ab" * 32


def trail(root: Path) -> Path:
    return root / "audit.jsonl"


def keep(root: Path, wanted: Callable[[dict[str, Any]], bool]) -> int:
    """Leave only the lines that are wanted, and return how many were taken away."""
    lines = trail(root).read_text(encoding="ascii").splitlines(keepends=True)
    kept = [line for line in lines if wanted(json.loads(line))]
    trail(root).write_text("".join(kept), encoding="ascii")
    return len(lines) - len(kept)


def add(root: Path, **fields: str) -> None:
    line = {"time": "2025-01-01T00:00:00.000Z", "result": "ok", "request_id": "", "identity": ""} | fields
    with trail(root).open("a", encoding="ascii") as file:
        file.write(json.dumps(line) + "\n")


def certificate_id(root: Path, name: str) -> str:
    certificate = entry_of(root, name).certificate
    assert certificate is not None
    return certificate.certificate_id


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("CreateCertificateFromCsr", "IssueMissing"),
        ("AttachThingPrincipal", "AttachmentMissing"),
        ("AttachPolicy", "PolicyLineMissing"),
    ],
)
def test_a_missing_line_is_found(root: Path, call: str, code: str) -> None:
    """Each state that the ledger says of a device rests on a line, and the device that lacks it is named."""
    identity = certificate_id(root, "two")
    gone = keep(root, lambda line: line["call"] != call or identity not in line.get("certificate", ""))
    assert gone == 1
    assert found(root) == {"two": [code]}


def test_a_call_that_failed_is_no_line(root: Path) -> None:
    """What AWS refused was not done."""
    text = trail(root).read_text(encoding="ascii").splitlines()
    lines = [json.loads(line) for line in text]
    for line in lines:
        if line["call"] == "AttachPolicy":
            line["result"] = "LimitExceededException"
    trail(root).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="ascii")
    assert {code for codes in found(root).values() for code in codes} == {"PolicyLineMissing"}


def test_a_certificate_that_was_found_after_a_kill_counts(root: Path) -> None:
    """Adopted stands in place of the call whose line a kill took."""
    identity = certificate_id(root, "two")
    keep(root, lambda line: (line["call"], line.get("certificate")) != ("CreateCertificateFromCsr", identity))
    add(root, call="Adopted", certificate=identity, common_name="two")
    assert found(root) == {}


def test_a_certificate_that_the_ledger_does_not_know_is_found(root: Path) -> None:
    """It is named for the run, with its thing, whether all devices are looked at or that one alone."""
    add(root, call="CreateCertificateFromCsr", thing="one", certificate=STRANGE)
    assert found(root) == {None: ["UnrecordedCertificate"]}
    assert f"certificate {STRANGE} was issued for one" in told(root)
    assert found(root, Checks(names=("one",))) == {None: ["UnrecordedCertificate"]}
    assert found(root, Checks(names=("two",))) == {}


def test_a_certificate_that_was_deleted_is_known(root: Path) -> None:
    """One too many that the run took away again leaves nothing to say."""
    add(root, call="CreateCertificateFromCsr", thing="one", certificate=STRANGE)
    add(root, call="DeleteCertificate", certificate=STRANGE)
    assert found(root) == {}


def test_a_certificate_that_failed_inspection_is_known(root: Path) -> None:
    """The ledger keeps those as evidence, removed or not."""
    add(root, call="CreateCertificateFromCsr", thing="one", certificate=STRANGE)
    with closing(sqlite3.connect(root / "ledger.db", isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO rejected SELECT ?, seq, 'WrongKey', '', '', 1, '' FROM devices WHERE thing_name = 'one'",
            (STRANGE,),
        )
    assert found(root) == {}


@pytest.mark.parametrize(
    ("thing", "codes"), [("two", ["IssuedTwice"]), ("one", ["IssuedTwice", "IssuedForAnother"])]
)
def test_a_certificate_that_was_issued_twice_is_found(root: Path, thing: str, codes: list[str]) -> None:
    """AWS never issues the same one again, and none for two things."""
    add(root, call="CreateCertificateFromCsr", thing=thing, certificate=certificate_id(root, "two"))
    assert found(root) == {"two": codes}


def test_a_line_that_stands_twice_is_one_call(root: Path) -> None:
    """A disk that refused an append may leave its lines there, and they are appended again."""
    text = trail(root).read_text(encoding="ascii")
    assert all(json.loads(line)["request_id"] for line in text.splitlines())
    trail(root).write_text(text * 2, encoding="ascii")
    assert found(root) == {}


@pytest.mark.parametrize(
    ("request_id", "thing", "codes"),
    [
        ("", "two", ["IssuedTwice"]),
        ("another", "two", ["IssuedTwice"]),
        (None, "one", ["IssuedTwice", "IssuedForAnother"]),
    ],
)
def test_a_line_that_differs_is_another_call(
    root: Path, request_id: str | None, thing: str, codes: list[str]
) -> None:
    """Neither lines without a request's id nor lines about another thing are taken for the same line again."""
    identity = certificate_id(root, "two")
    lines = [json.loads(line) for line in trail(root).read_text(encoding="ascii").splitlines()]
    [issue] = [
        line for line in lines if (line["call"], line.get("certificate")) == ("CreateCertificateFromCsr", identity)
    ]
    add(root, **issue | {"thing": thing} | ({} if request_id is None else {"request_id": request_id}))
    add(root, **issue)
    assert found(root) == {"two": codes}


@pytest.mark.parametrize("torn", ['{"time": "2025-01-0', "\x00\x00\x00", "[]", '{"call": "AttachPolicy"}'])
def test_torn_lines_are_counted_and_are_no_fault(root: Path, torn: str) -> None:
    """A kill can leave one anywhere, and what follows it is read all the same."""
    lines = trail(root).read_text(encoding="ascii").splitlines(keepends=True)
    trail(root).write_text("".join([*lines[:3], torn + "\n", *lines[3:], torn]), encoding="utf-8")
    verdicts, remarks = anyio.run(verify_now, root)
    assert all(verdict.ok for verdict in verdicts)
    assert remarks.torn_lines == 2


def test_things_whose_line_a_kill_took_are_counted(root: Path) -> None:
    """CreateThing is not made again after a kill, so its line may be missing: said, and no fault."""
    assert keep(root, lambda line: line["call"] != "CreateThing") == 4
    verdicts, remarks = anyio.run(verify_now, root)
    assert all(verdict.ok for verdict in verdicts)
    assert remarks.unrecorded_things == 4


def test_no_trail_at_all_is_one_problem(root: Path) -> None:
    """It is named once for the run, and not for each device."""
    trail(root).unlink()
    assert found(root) == {None: ["TrailMissing"]}


def test_a_trail_that_is_no_file_is_one_problem(root: Path, tmp_path: Path) -> None:
    """A link in its place is not followed."""
    trail(root).rename(tmp_path / "elsewhere.jsonl")
    trail(root).symlink_to(tmp_path / "elsewhere.jsonl")
    assert found(root) == {None: ["TrailUnreadable"]}
