"""report.html of runs of all kinds: never driven, killed, revoked, of one device, too large for a page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pipeline.device import State
from pipeline.report import REPORT_HTML, page_words, rows
from tests.report.ledgers import Fate, device
from tests.report.pages import (
    WRONG,
    again,
    fill,
    page_of,
    parsed,
    process,
    reading,
    table_after,
    words_of,
    written,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_that_nobody_drove(tmp_path: Path) -> None:
    """A ledger without a process says so, and has neither a picture nor a table of processes."""
    page = page_of(tmp_path, [Fate(device("one"), State.LISTED)])
    assert "No process has worked on this run yet." in words_of(page)
    assert "To go on" not in page
    assert '<svg class="chart"' not in page
    assert 'id="processes"' not in page
    assert "audit.jsonl" not in page


def test_a_run_that_never_came_to_an_account(tmp_path: Path) -> None:
    """A ledger that is bound to nothing makes a page without empty labels."""
    written(tmp_path, [Fate(device("one"), State.LISTED)], meta={})
    page = (tmp_path / REPORT_HTML).read_text(encoding="utf-8")
    assert "Account" not in page
    assert 'id="quotas"' not in page
    assert not re.search(r"<dd>\s*</dd>", page)


def test_a_killed_process(tmp_path: Path) -> None:
    """Of a process that was killed the page says so, and tells of certificates what is in the ledger."""
    fates = [Fate(device("one")), Fate(device("two"), State.ISSUED)]
    page = page_of(tmp_path, fates, [process((2.0, reading(1)), killed=True)])
    text = words_of(page)
    assert "The last process, which began at 2026-01-02 03:04:05 UTC, was killed." in text
    assert "To go on, run the same command again." in text
    assert table_after(page, 'id="processes"') == [
        ["1", "2026-01-02 03:04:05", "\N{EN DASH}", "\N{EN DASH}", "\N{EN DASH}", "\N{EN DASH}", "killed"]
    ]
    assert '<b class="">1</b>done' in page
    assert "<li><b>2</b>certificates issued</li>" in page


@pytest.mark.parametrize("killed", [True, False])
def test_what_a_killed_process_did_last_is_said_to_be_missing(tmp_path: Path, killed: bool) -> None:
    """Where readings tell of fewer devices than are done, the page says so, and does not where none is missing."""
    processes = [process((2.0, reading(1)), killed=killed), process((1.0, reading(0 if killed else 1)))]
    text = words_of(page_of(tmp_path, [Fate(device("one")), Fate(device("two"))], processes))
    words = (
        "By the readings 1 of 2 devices done in 0:03, 0.33 a second on average. A process that was killed left no"
    )
    assert (words in text) == killed
    assert ("By the readings" in text) == killed


def test_a_revoked_run(tmp_path: Path) -> None:
    """A run that was taken back says so first, and does not ask to go on."""
    page = page_of(tmp_path, [Fate(device("one"), revoked=True), Fate(device("two"), revoked=True)], [process()])
    text = words_of(page)
    assert "all 2 devices are revoked" in text
    assert "To go on" not in text
    assert [row[2] for row in parsed(page).rows] == ["revoked", "revoked"]
    assert re.search(r"A device was last taken back at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\.", text)


@pytest.mark.parametrize(
    ("fates", "looks", "verdict"),
    [
        ([Fate(device("a")), Fate(device("b"))], "good", "all 2 devices are done"),
        ([Fate(device("a")), Fate(device("b"), State.KEYED)], "warn", "1 of 2 devices are done, 1 open"),
        ([Fate(device("a"), revoked=True)], "", "1 device is revoked"),
        ([Fate(device("a")), Fate(device("b"), revoked=True)], "", "1 of 2 devices are revoked, 1 done"),
        (
            [Fate(device("a"), revoked=True), Fate(device("b"), State.KEYED, failed=WRONG), Fate(device("c"))],
            "warn",
            "1 of 3 devices are revoked, 1 done, 1 failed",
        ),
    ],
)
def test_only_what_is_done_has_the_looks_of_success(
    tmp_path: Path, fates: list[Fate], looks: str, verdict: str
) -> None:
    """What was taken back is no success, and what is left to do is a worry."""
    assert f'<h1 class="{looks}">{verdict}</h1>' in page_of(tmp_path, fates, [process()])


def test_a_run_of_one_device(tmp_path: Path) -> None:
    """One device is told in the singular throughout."""
    text = words_of(page_of(tmp_path, [Fate(device("one"))], [process((1.0, reading(1, throttles=1)))]))
    assert re.findall(r"(?<![\w-])1 (?:devices|throttles|certificates)\b", text) == []
    for one in ("1 device done", "1certificate issued", "1throttle"):
        assert one in text


@pytest.mark.parametrize(
    ("number", "waiting", "shown", "expected"),
    [
        (10, 3, 10, "The same and more is in summary.csv."),
        (
            11,
            0,
            0,
            "The run has 11 devices, and a page takes 10 at most. All of them are done, and none is listed here.",
        ),
        (11, 1, 1, "The run has 11 devices, and a page takes 10 at most. Here is the 1 that is not done."),
        (11, 4, 4, "The run has 11 devices, and a page takes 10 at most. Here are the 4 that are not done."),
        (14, 12, 10, "and a page takes 10 at most. Here are the first 10 of 12 that are not done."),
    ],
)
def test_more_devices_than_a_page_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, waiting: int, shown: int, expected: str
) -> None:
    """Where a run is too large for one page, those are listed that are not done, and it says where all are."""
    monkeypatch.setattr(rows, "MOST_ROWS", 10)
    monkeypatch.setattr(page_words, "MOST_ROWS", 10)
    fill(tmp_path, number, waiting)
    page = again(tmp_path)
    found = parsed(page).rows if shown else []
    assert len(found) == shown
    assert expected in words_of(page)
    assert "in summary.csv" in words_of(page)
    if number > 10:
        assert {row[2] for row in found} <= {"open"}
        assert "All devices are in summary.csv." in words_of(page)
    assert ('<script type="application/json"' in page) == bool(shown)
