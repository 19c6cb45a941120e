"""Reading a manifest is shown where it takes long, and nowhere else."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from pipeline.progress import validating
from tests.progress.meters import Clock, Terminal, hidden_in

if TYPE_CHECKING:
    from pipeline.progress import Kind


def test_a_short_manifest_shows_nothing() -> None:
    """What is read within half a second leaves no trace, on a terminal or elsewhere."""
    for stream in (io.StringIO(), Terminal()):
        clock = Clock()
        with validating("demo.csv", stderr=stream, clock=clock) as progress:
            clock.now += 0.4
            progress(300, 9000, 9000)
        assert stream.getvalue() == ""


def test_a_long_manifest_has_a_bar_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal rows are counted beside a bar, and the cursor is back afterwards."""
    monkeypatch.setenv("TERM", "xterm-256color")
    stream, clock = Terminal(), Clock()
    with validating("line-\x1b]52;c;ZQ==\x07.csv", stderr=stream, clock=clock) as progress:
        clock.now += 2
        progress(120_000, 4_000_000, 8_000_000)
    assert "120,000 rows" in stream.getvalue()
    assert "\x1b]52" not in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[?25h\r\x1b[1A\x1b[2K")


def test_a_log_gets_a_line_every_five_seconds() -> None:
    """Without a terminal a long manifest is told in lines, with the part that is read where it is known."""
    stream, clock = io.StringIO(), Clock()
    with validating("big.csv", stderr=stream, clock=clock) as progress:
        for number in range(1, 13):
            clock.now += 1
            progress(number * 2000, number * 100, 1200)
        clock.now += 5
        progress(30_000, 1300, None)
    assert stream.getvalue().splitlines() == [
        "reading big.csv: 10,000 rows (42%)",
        "reading big.csv: 20,000 rows (83%)",
        "reading big.csv: 30,000 rows",
    ]
    assert hidden_in(stream.getvalue()) == []


@pytest.mark.parametrize("kind", ["quiet", "json"])
def test_quiet_and_json_show_no_reading(kind: Kind) -> None:
    """With --quiet and --json the reading of a manifest is not shown, however long it takes."""
    stream, clock = Terminal(), Clock()
    with validating("big.csv", stderr=stream, kind=kind, clock=clock) as progress:
        clock.now += 60
        progress(10, 10, 10)
    assert stream.getvalue() == ""
