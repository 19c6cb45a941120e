"""What is drawn on a terminal fits it, whatever its width and whatever the text."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest
from rich.cells import cell_len
from rich.console import Console

from pipeline.device import State
from pipeline.meter import Limit
from pipeline.progress import Gauge, View, display, record_svg
from tests.progress.meters import HOSTILE, Clock, Terminal, Watched, busy_meter, device, hidden_in, meter_of

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.meter import Meter

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


def drawn(meter: Meter, width: int) -> str:
    """Return one frame, with the styles that rich itself adds taken out."""
    clock = Clock()
    gauge = Gauge(meter, clock)
    gauge.read()
    for _ in range(129):
        meter.reached(device(), State.DONE)
    clock.now += 10
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=True, color_system="truecolor").print(View(gauge.read()))
    return _STYLE.sub("", stream.getvalue())


@pytest.mark.parametrize("width", [12, 20, 40, 60, 100])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Long and wide text ends in an ellipsis; nothing wraps and no line is torn."""
    lines = drawn(busy_meter(), width).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert len(lines) <= 6 + 3 + 3 + 3 + 1  # bars, parts of the pace and of the rest, failures, stopping


@pytest.mark.parametrize("width", [40, 100])
def test_nothing_foreign_acts_on_the_terminal(width: int) -> None:
    """Escape sequences in names, codes, messages and operations are shown as text, and so is rich's markup."""
    frame = drawn(busy_meter("[red]\x1b]52;c;ZQ==\x07\u202e[/red]"), width)
    assert hidden_in(frame) == []
    assert "[red]\\x1b]52" in frame


def test_the_pace_stands_beside_the_limit_that_rules() -> None:
    """Pace, the limit's name and rate, and the number that waits for it are on one line where there is room."""
    meter = meter_of(1000)
    meter.limit = lambda: Limit("CreateCertificateFromCsr", 15.0, 231)
    assert "12.9 devices/s · limit CreateCertificateFromCsr 15.0/s · 231 waiting\n" in drawn(meter, 100)


def test_a_limit_without_a_rate_is_named_all_the_same() -> None:
    """Key generation has no rate of its own, and is shown with the number that waits."""
    meter = meter_of(1000)
    meter.limit = lambda: Limit("key generation", None, 140)
    assert "limit key generation · 140 waiting" in drawn(meter, 100)


def test_what_has_no_room_beside_goes_below() -> None:
    """On a narrow terminal the limit moves to the next line whole."""
    meter = meter_of(1000)
    meter.limit = lambda: Limit("CreateCertificateFromCsr", 15.0, 231)
    lines = [line.rstrip() for line in drawn(meter, 40).splitlines()]
    assert lines[6:9] == ["12.9 devices/s", "limit CreateCertificateFromCsr 15.0/s", "231 waiting"]


def test_throttles_are_summed_and_the_worst_named() -> None:
    """The display counts all throttles and names the operation that met most of them."""
    meter = meter_of(1000)
    meter.throttles = lambda: {"AttachPolicy": 1, "CreateCertificateFromCsr": 3, "CreateThing": 0}
    assert "4 throttles, most by CreateCertificateFromCsr (3)" in drawn(meter, 100)


def test_a_bar_begins_where_the_ledger_stands() -> None:
    """A resumed run's bars show the work of earlier processes."""
    assert "things       " in (frame := drawn(meter_of(1000, done=400), 60))
    assert "400/1,000" in frame


def test_the_last_three_failures_stay_in_sight() -> None:
    """The newest failures are shown with their code, and older ones make room."""
    frame = drawn(busy_meter("Cause"), 100)
    assert [name for name in ("Cause0", "Cause1", "Cause2", "Cause3") if name in frame] == [
        "Cause1",
        "Cause2",
        "Cause3",
    ]


def test_a_request_to_stop_is_answered() -> None:
    """Somebody who pressed Ctrl-C reads that the run is finishing what is in flight."""
    assert "stopping: finishing what is in flight" in drawn(busy_meter("x"), 40)


def test_the_last_frame_is_left_standing_with_the_cursor() -> None:
    """When the run ends, by an error too, the last figures and the notes stay and the cursor is back."""
    stream = Terminal()
    console = Console(file=stream, width=60, force_terminal=True)
    meter = meter_of(7)

    async def run() -> None:
        async with display(meter, kind="auto", stdout=io.StringIO(), stderr=io.StringIO(), console=console):
            meter.note(f"a note {HOSTILE}")
            for _ in range(7):
                meter.reached(device(), State.DONE)
            raise LookupError

    with pytest.raises(LookupError):
        anyio.run(run)
    text = stream.getvalue()
    assert "7/7" in text
    assert "a note \\x1b]52;c" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert meter.listeners == []


def test_frames_come_while_the_run_goes_on() -> None:
    """The drawing thread shows what the meter says before the run has ended."""
    stream = Watched("3/7")
    console = Console(file=stream, width=60, force_terminal=True)
    meter = meter_of(7)

    async def run() -> None:
        async with display(meter, kind="auto", stdout=io.StringIO(), stderr=io.StringIO(), console=console):
            for _ in range(3):
                meter.reached(device(), State.DONE)
            assert await anyio.to_thread.run_sync(stream.seen.wait, 60)

    anyio.run(run)


def test_a_note_is_shown_while_nothing_else_moves() -> None:
    """It does not wait for a device to get anywhere, nor for the run's end."""
    stream = Watched("are being looked for")
    console = Console(file=stream, width=100, force_terminal=True)
    meter = meter_of(7)

    async def run() -> None:
        async with display(meter, kind="auto", stdout=io.StringIO(), stderr=io.StringIO(), console=console):
            meter.note("3 requests without an answer are being looked for, up to 30 s")
            assert await anyio.to_thread.run_sync(stream.seen.wait, 60)

    anyio.run(run)


def test_a_picture_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    """The SVG of a display shows its figures and loads no font from another host."""
    picture = tmp_path / "run.svg"
    record_svg(Gauge(meter_of(300, done=120)).read(), picture, title="thingmill run")
    svg = picture.read_text()
    assert "120/300" in svg
    assert "font-face" not in svg
    assert "cdn" not in svg
