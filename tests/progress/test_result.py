"""The end of a run tells what became of it and how to go on."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.cells import cell_len

from pipeline.layout import RunFolder
from pipeline.progress import final_table, print_summary
from pipeline.report import Group, Summary, Usage
from pipeline.report.pace import Pace
from tests.progress.meters import Terminal, hidden_in

_STATES = ("LISTED", "PLANNED", "KEYED", "REQUESTED", "ISSUED", "BUNDLED", "LINKED", "DONE", "FAILED")
RESUME = "thingmill run manifests/" + "a-rather-long-name-of-a-manifest/" * 4 + "line-7.csv --region eu-central-1"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's wish for colours, or for none, decides these tests."""
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def summary_of(
    *, done: int, failed: int = 0, revoked: int = 0, text: str = "the certificate is for another key"
) -> Summary:
    """The summary of a run over ten devices."""
    groups = (Group("WrongKey", failed, ("t1", "t2"), text, text),) if failed else ()
    still_open = 10 - done - failed - revoked
    return Summary(
        run="line-7",
        folder=RunFolder(Path("output/line-7")),
        processes=(
            Usage(
                started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
                finished=datetime(2026, 1, 2, 3, 5, 25, tzinfo=UTC),
                issued=9,
                done=done,
                throttles={"CreateThing": 3, "AttachPolicy": 4},
            ),
        ),
        account="123456789012",
        region="eu-central-1",
        key_type="rsa-4096",
        endpoint="a1.example.net",
        quotas={},
        total=10,
        with_csr=0,
        states=dict.fromkeys(_STATES, 0)
        | {"DONE": done, "FAILED": failed, "BUNDLED": still_open, "REVOKED": revoked},
        outcomes={"done": done, "failed": failed, "skipped": 0, "open": still_open, "revoked": revoked},
        failures=groups,
        skips=(),
        pace=Pace((), {}, ()),
    )


def printed(summary: Summary, stream: io.StringIO | None = None, resume: str | None = RESUME) -> str:
    stream = stream or io.StringIO()
    final_table(summary, stream=stream, resume=resume)
    return stream.getvalue()


def test_the_end_of_a_run_is_told_in_numbers() -> None:
    """Counts by state, certificates, throttles, duration, pace and places are all there."""
    lines = [line.split() for line in printed(summary_of(done=8, failed=1)).splitlines()]
    assert lines[0] == ["line-7:", "8", "of", "10", "devices", "are", "done,", "1", "failed,", "1", "open"]
    for expected in (
        ["BUNDLED", "1"],
        ["DONE", "8"],
        ["FAILED", "1"],
        ["certificates", "issued", "9"],
        ["throttles", "7"],
        ["duration", "1:20"],
        ["devices/s", "0.1"],
        ["bundles", "output/line-7/devices"],
        ["reports", "output/line-7"],
    ):
        assert expected in lines


def test_a_cause_has_its_number_an_example_and_its_advice() -> None:
    """Failures are told by cause, not one by one."""
    text = " ".join(printed(summary_of(done=3, failed=7)).split())
    assert "WrongKey · 7 devices, for instance t1: the certificate is for another key" in text


def test_the_command_to_go_on_can_be_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where something is left to do the exact command stands on one line, however narrow the terminal."""
    monkeypatch.setenv("COLUMNS", "40")
    assert f"\n  {RESUME}\n" in printed(summary_of(done=8))
    assert f"\n  {RESUME}\n" in printed(summary_of(done=8, failed=2))


def test_a_finished_run_has_no_command_to_go_on() -> None:
    """Nothing is left to do when all are done, so no command is given."""
    text = printed(summary_of(done=10))
    assert text.startswith("line-7: all 10 devices are done\n")
    assert RESUME not in text


def test_a_run_that_was_taken_back_says_so() -> None:
    """The headline counts what was revoked, and no command to go on is given: it would be refused."""
    assert printed(summary_of(done=0, revoked=10)).startswith("line-7: all 10 devices are revoked\n")
    text = printed(summary_of(done=6, revoked=2))
    assert text.startswith("line-7: 2 of 10 devices are revoked\n")
    assert ["REVOKED", "2"] in [line.split() for line in text.splitlines()]
    assert RESUME not in text


@pytest.mark.parametrize("width", [40, 60, 100])
def test_the_end_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """No line but the command is wider than the terminal, and nothing foreign acts on it."""
    monkeypatch.setenv("COLUMNS", str(width))
    text = printed(summary_of(done=3, failed=7, text="[red]\\x1b]52 " + "Zertifikat日本語" * 30))
    assert max(cell_len(line) for line in text.splitlines() if line.strip() != RESUME) <= width
    assert "[red]" in text
    assert hidden_in(text) == []


def test_a_terminal_gets_colours_and_a_file_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Styles are for terminals; what is redirected to a file is plain text."""
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[" in printed(summary_of(done=10), Terminal())
    assert hidden_in(printed(summary_of(done=10))) == []


def test_the_last_event_is_the_summary() -> None:
    """With --json the run ends with the document of summary.json on one line, and the folder of the run."""
    stream = io.StringIO()
    print_summary(summary_of(done=8, failed=1), stream)
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert (event["event"], event["run"], event["folder"]) == ("summary", "line-7", "output/line-7")
    assert event["outcomes"] == {"done": 8, "failed": 1, "skipped": 0, "open": 1, "revoked": 0}
