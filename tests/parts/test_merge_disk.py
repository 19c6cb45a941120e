"""``merge`` on a disk that refuses: said as that, without a traceback, and the reports of before are there."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.ledger import schema
from tests.parts.test_runs import provision

if TYPE_CHECKING:
    from pathlib import Path

    from tests.foreign.stage import Stage

PARTS = ["lot-1-of-2", "lot-2-of-2"]
FULL = "cannot be written: database or disk is full"


class Full(sqlite3.Connection):
    """Undoes a transaction, as SQLite does on a full disk, and refuses a statement: the nth that changes."""

    nth = 0
    seen = 0

    def _refuse(self, statement: str) -> None:
        if statement.split(" ", 1)[0].strip() not in ("INSERT", "UPDATE", "DELETE", "COMMIT"):
            return
        Full.seen += 1
        if Full.seen == Full.nth:
            super().execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:  # noqa: ANN401  as the real one
        self._refuse(sql)
        return super().execute(sql, *values)

    def executemany(self, sql: str, values: Any) -> sqlite3.Cursor:  # noqa: ANN401  as the real one
        self._refuse(sql)
        return super().executemany(sql, values)


@pytest.fixture
def lot(stage: Stage) -> Path:
    """Two parts of a manifest that are done, and one with a row more; the folder of their joint reports."""
    for number in (1, 2):
        assert provision(stage, f"{number}/2").code == 0
    stage.write("more.txt", (stage.home / "lot.txt").read_text() + "more\n")
    return stage.home / "output" / "lot-merged"


def test_whatever_is_refused_is_said_and_undone(stage: Stage, lot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever statement that changes the joint ledger it is: that is named, and what was there stays."""
    connect: Any = sqlite3.connect

    def connected(place: Any, **options: Any) -> Any:  # noqa: ANN401  as the real one
        is_joint = str(place).endswith("lot-merged/ledger.db")
        return connect(place, **options, **({"factory": Full} if is_joint else {}))

    assert stage.call("merge", *PARTS).code == 0
    monkeypatch.setattr(sqlite3, "connect", connected)
    before = (lot / "ledger.db").read_bytes()
    for nth in range(1, 200):
        Full.nth, Full.seen = nth, 0
        ended = stage.call("merge", *PARTS, "--manifest", "more.txt")
        if Full.seen < nth:
            break
        assert (ended.code, f"ledger.db {FULL}" in ended.err, "Traceback" in ended.err) == (1, True, False)
        assert (lot / "ledger.db").read_bytes() == before
    assert nth > 30
    assert "1 device of more.txt is in no run: more" in ended.out


def test_a_ledger_that_gets_no_more_room_is_said_to_be_full(
    stage: Stage, lot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As SQLite itself refuses, which undoes the transaction before it does."""
    connect = schema.connect

    def tight(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        [pages] = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        return connection

    monkeypatch.setattr(schema, "connect", tight)
    ended = stage.call("merge", *PARTS)
    assert (ended.code, f"lot-merged/ledger.db {FULL}" in ended.err) == (1, True), ended.err
    assert "no transaction" not in ended.err
    assert not (lot / "summary.json").exists()
