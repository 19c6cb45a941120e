"""A ledger that somebody altered below what SQLite sees to: it is refused, whole, by all that reads it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pipeline.ledger.schema import FORMAT
from tests.foreign.pages import make_endless
from tests.foreign.test_handed_over import LOOKS, given_run, whole

if TYPE_CHECKING:
    from tests.foreign.stage import Stage

__all__ = ["given_run", "whole"]

READING = (*LOOKS, ["report"], ["export", "--format", "der"], ["merge", "--name", "both"])

OTHER_TABLES = "tables are not those of a ledger"
ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"


def alter(stage: Stage, *statements: str) -> None:
    """Change a ledger as its constraints would not let."""
    with closing(sqlite3.connect(stage.run_folder / "ledger.db")) as connection:
        connection.executescript("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            connection.executescript(statement)


def update(what: str) -> tuple[str, ...]:
    return (f"UPDATE devices SET {what} WHERE seq = 1",)  # noqa: S608  our own


def without_its_key(table: str) -> tuple[str, ...]:
    """Return what leaves a table its columns, and not the key that its pages are found by."""
    copy = f"CREATE TABLE other AS SELECT * FROM {table}"  # noqa: S608  our own
    return copy, f"DROP TABLE {table}", f"ALTER TABLE other RENAME TO {table}"


def endless(table: str, columns: str) -> tuple[str, ...]:
    """Return what puts a view in the place of a table, which yields rows without end."""
    view = f"CREATE VIEW {table} AS {ENDLESS} SELECT {columns} FROM n"  # noqa: S608  our own
    return f"DROP TABLE {table}", view


FORMULA = "outcome = '=cmd|''/C calc''!A0'"


@pytest.mark.parametrize(
    ("statements", "word"),
    [
        (update(FORMULA), "no thingmill can have written"),
        (update("state = 99"), "no thingmill can have written"),
        (update("thing_name = 'x;touch y;#'"), "no thingmill can have written"),
        (update("folded = 'another'"), "no thingmill can have written"),
        (update("description = '{'"), "no thingmill can have written"),
        (update("seq = -5"), "a device without a number"),
        ((f"PRAGMA user_version = {FORMAT - 1}",), f"format {FORMAT - 1}"),
        (("CREATE TRIGGER t AFTER UPDATE ON devices BEGIN SELECT 1; END",), OTHER_TABLES),
        (without_its_key("samples"), OTHER_TABLES),
        (without_its_key("devices"), OTHER_TABLES),
        (endless("meta", "i AS key, i AS value"), OTHER_TABLES),
        (endless("samples", "1 AS process, i AS second, '' AS reading"), OTHER_TABLES),
    ],
)
def test_every_command_refuses_it(given_run: Stage, statements: tuple[str, ...], word: str) -> None:
    """No formula reaches a file, no device is passed over, no memory is filled: code 4 and a sentence, at once."""
    alter(given_run, *statements)
    for command, *options in READING:
        ended = given_run.call(command, "lot", *options)
        # What does not come by the row that was altered may end well: it hands out nothing of it.
        assert ended.code == 4 or (command in {"status", "export"} and ended.code == 0), (command, ended)
        assert "Traceback" not in ended.err
        assert ended.code == 0 or word in ended.err
    assert not (given_run.home / "found.csv").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status"], "more rows than a file of its size can"),
        (["merge", "--name", "both"], "no thingmill can have written"),
        (["verify"], "no thingmill can have written"),
    ],
)
def test_rows_without_end_are_not_read_to_their_end(given_run: Stage, words: list[str], said: str) -> None:
    """A small ledger whose pages name one another is given up soon, and not after billions of rows."""
    make_endless(given_run.run_folder / "ledger.db", "devices")
    ended = given_run.call(words[0], "lot", *words[1:])
    assert (ended.code, said in ended.err) == (4, True)
