"""The one function that foreign text passes: nothing that comes out of it acts on a terminal or a spreadsheet."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given

from pipeline.cli.saying import quiet_logs
from pipeline.text import hidden_at, printable, printable_lines, spreadsheet_safe
from tests.foreign.hostile import CORPUS, HUGE, acting_in, formulas_in, hostile_texts

if TYPE_CHECKING:
    from tests.foreign.stage import Desk


@given(hostile_texts())
def test_nothing_hidden_is_left(text: str) -> None:
    """Whatever goes in, all that comes out is plainly seen, is on one line, and can be written as UTF-8."""
    shown = printable(text)
    assert acting_in(shown) == []
    assert "\n" not in shown
    shown.encode("utf-8")


@given(hostile_texts())
def test_what_passed_once_passes_unchanged(text: str) -> None:
    """Text may pass at each of several places and is escaped once."""
    assert printable(printable(text), 10_000) == printable(text)
    assert hidden_at(printable(text)) is None


@given(hostile_texts())
@example("\"=cmd|' /C calc'!A0")
@example(' "@SUM(A1)')
def test_no_cell_begins_a_formula(text: str) -> None:
    """Whatever goes in, no spreadsheet takes the cell, or a part of it behind a semicolon, for a formula."""
    cell = spreadsheet_safe(text)
    assert formulas_in([cell]) == []
    assert acting_in(cell) == []


@pytest.mark.parametrize(
    "text",
    [
        "Zertifikat für Größe 7",
        "日本語",
        "Việt e\u0302\u0301",
        "\u05e9\u05c1\u05b8",
        "x @ y = -1",
        "naïve — “ok” €5 🔧",
    ],
)
def test_what_people_write_passes_unchanged(text: str) -> None:
    """Words of any script, with the marks that they need, are printed as they are."""
    assert printable(text) == text


def test_a_megabyte_is_cut() -> None:
    """Text of any length becomes a few hundred characters, each of them an escape of ten at most."""
    assert len(printable(HUGE)) <= 5001
    assert len(spreadsheet_safe(HUGE)) <= 5101
    assert len(printable_lines(HUGE)) <= 10 * (1 << 16) + 1


def test_an_error_that_nobody_foresaw_acts_on_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback that quotes foreign text is printed, with what the text does made visible."""
    desk.write("output/lot/ledger.db", b"")

    def fail(_root: object) -> None:
        raise RuntimeError("".join(CORPUS.values()))

    monkeypatch.setattr("pipeline.status.look", fail)
    ended = desk.call("status", "lot")
    assert (ended.code, ended.out) == (1, "")
    assert "RuntimeError: " in ended.err
    assert acting_in(ended.err) == []


def test_what_a_library_logs_acts_on_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning that no handler takes reaches standard error with what it does made visible."""
    quiet_logs()
    record = logging.LogRecord("library", logging.WARNING, __file__, 1, "%s", ("".join(CORPUS.values()),), None)
    assert logging.lastResort is not None
    logging.lastResort.handle(record)
    shown = capsys.readouterr().err
    assert "]52;c;ZXZpbA==" in shown
    assert acting_in(shown) == []


@pytest.mark.parametrize(
    "words", ["status {}", "run lot.txt --key {}", "check {}", "--{}", "{}", "verify lot --device {} --port {}"]
)
def test_a_word_of_the_command_line_acts_on_nothing(desk: Desk, words: str) -> None:
    """A script may pass a foreign name as an argument, an option, its value or a command."""
    desk.write("output/lot/ledger.db", b"")
    for text in CORPUS.values():
        if not {"\0", "\ud800"} & set(text):  # which no process can be given
            ended = desk.call(*(word.replace("{}", text) for word in words.split()))
            assert ended.code in {1, 2}
            assert acting_in(ended.err) == []
            assert ended.out == ""
