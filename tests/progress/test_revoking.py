"""A revoke shown while it goes: lines, a bar, or events, and nothing foreign in any of them."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from pipeline.progress import revoking
from pipeline.progress.revoking import BarOfRevoking, LinesOfRevoking
from tests.progress.meters import Terminal, hidden_in

if TYPE_CHECKING:
    from pipeline.progress import Kind

HOSTILE = "\x1b]52;c;ZXZpbA==\x07[red]"


def test_a_line_comes_every_five_seconds() -> None:
    """However many devices there are, the log gets a line now and then, with pace and time left."""
    seconds = 0.0
    stream = io.StringIO()
    lines = LinesOfRevoking("line-7", 1000, stream, clock=lambda: seconds)
    for number in range(120):
        seconds = number / 10
        lines.revoked(f"t{number}")
    assert stream.getvalue().splitlines() == [
        "revoking line-7: 51/1,000  10.2 devices/s  1:33 left",
        "revoking line-7: 101/1,000  10.1 devices/s  1:29 left",
    ]


def test_what_stays_is_named_while_it_is_little() -> None:
    """The first hundred come with their reasons, the rest with their number."""
    stream = io.StringIO()
    with revoking("line-7", 300, kind="auto", stdout=io.StringIO(), stderr=stream) as watcher:
        for number in range(130):
            watcher.stays(f"t{number}", "not allowed")
    said = stream.getvalue().splitlines()
    assert said[0] == "stays: t0: not allowed"
    assert said[100:] == ["stays: 30 more; --json names all of them"]


@pytest.mark.parametrize("kind", ["auto", "json"])
@pytest.mark.parametrize("stderr", [io.StringIO, Terminal])
def test_nothing_foreign_acts(kind: Kind, stderr: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and reasons from a server come out as text, on a terminal, in a log and as JSON."""
    monkeypatch.setenv("TERM", "xterm-256color")
    out, err = io.StringIO(), stderr()
    with revoking(HOSTILE, 1, kind=kind, stdout=out, stderr=err) as watcher:
        watcher.revoked(HOSTILE)
        watcher.stays(HOSTILE, HOSTILE)
        watcher.note(HOSTILE)
    text = out.getvalue() + err.getvalue()
    assert "\x1b]52" not in text
    assert "\x07" not in text
    assert "[red]" in text


def test_events_are_objects_with_a_time() -> None:
    """With --json each event is a line of standard output, and standard error stays empty."""
    out, err = io.StringIO(), io.StringIO()
    with revoking("line-7", 2, kind="json", stdout=out, stderr=err) as watcher:
        watcher.revoked("one")
        watcher.stays("two", "not allowed")
        watcher.note("wait")
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert all(event.pop("time").endswith("Z") for event in events)
    assert events == [
        {"event": "revoked", "thing": "one"},
        {"event": "stays", "thing": "two", "reason": "not allowed"},
        {"event": "note", "message": "wait"},
    ]
    assert err.getvalue() == ""
    assert hidden_in(out.getvalue()) == []


@pytest.mark.parametrize("stderr", [io.StringIO, Terminal])
def test_a_stop_is_said(stderr: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    """From Ctrl-C on it is there to read that no more devices are begun, in the words of a run."""
    monkeypatch.setenv("TERM", "xterm-256color")
    err = stderr()
    with revoking("line-7", 2, kind="auto", stdout=io.StringIO(), stderr=err) as watcher:
        watcher.stopping()
    assert "stopping: finishing what is in flight\n" in err.getvalue()


def test_a_bar_has_room_for_what_ctrl_c_shows() -> None:
    """A terminal shows ^C at the end of the line: one that is full would go on below, out of the bar's reach."""
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    [line] = console.render_lines(BarOfRevoking("line-7", 2, console), pad=False)
    assert 70 < sum(segment.cell_length for segment in line) <= 78


def test_a_bar_goes_away_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the bar is drawn in place and taken away; the cursor is there again."""
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal()
    with revoking("line-7", 2, kind="auto", stdout=io.StringIO(), stderr=terminal) as watcher:
        watcher.revoked("one")
        watcher.stays("two", "not allowed")
    text = terminal.getvalue()
    assert "stays: two: not allowed" in text
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l") >= 0
