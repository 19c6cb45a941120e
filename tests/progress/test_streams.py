"""Each kind of display writes to the stream that it should, and nothing foreign acts on a terminal."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline.device import State
from pipeline.errors import DeviceError, DiskError
from pipeline.meter import Limit
from pipeline.progress import Gauge, display
from pipeline.progress.events import JsonEvents
from pipeline.progress.lines import PlainLines, plain_line
from pipeline.progress.sinks import FailureLog
from tests.progress.meters import HOSTILE, Clock, Gone, Terminal, busy_meter, device, hidden_in, meter_of

if TYPE_CHECKING:
    from pipeline.progress import Kind

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def shown(kind: Kind, stderr: io.StringIO) -> tuple[str, str]:
    """Return what a small run with every event writes to standard output and standard error."""
    stdout, meter = io.StringIO(), meter_of(3)

    async def run() -> None:
        async with display(meter, kind=kind, stdout=stdout, stderr=stderr):
            meter.reached(device("good"), State.PLANNED)
            meter.fail(device(HOSTILE), DeviceError(4, HOSTILE, HOSTILE, advice=HOSTILE))
            meter.skip(device(HOSTILE), DeviceError(1, HOSTILE, HOSTILE))
            meter.note(HOSTILE)

    anyio.run(run)
    return stdout.getvalue(), stderr.getvalue()


def test_a_log_gets_plain_lines() -> None:
    """Where standard error is no terminal there are lines without one escape sequence."""
    stdout, stderr = shown("auto", io.StringIO())
    assert stdout == ""
    assert hidden_in(stderr) == []
    assert stderr.splitlines()[0].startswith("things 0/3  keys 0/3  certificates 0/3")
    assert stderr.splitlines()[-1].startswith("things 1/3")


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that cannot move its cursor is written to like a log."""
    monkeypatch.setenv("TERM", "dumb")
    _, stderr = shown("auto", Terminal())
    assert hidden_in(stderr) == []
    assert stderr.startswith("things 0/3")


def test_a_terminal_gets_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the figures are drawn in place, on standard error only."""
    monkeypatch.setenv("TERM", "xterm-256color")
    stdout, stderr = shown("auto", Terminal())
    assert stdout == ""
    assert "\x1b[?25l" in stderr
    assert "\x1b]52" not in stderr


def test_quiet_leaves_failures_only() -> None:
    """With --quiet a failure is one line with its advice, and there is no other."""
    stdout, stderr = shown("quiet", io.StringIO())
    assert stdout == ""
    assert stderr.count("\n") == 1
    assert stderr.startswith("failed: \\x1b]52")
    assert hidden_in(stderr) == []


def test_json_is_all_that_standard_output_gets() -> None:
    """With --json each line is an object, foreign text is made visible in it, and standard error stays empty."""
    stdout, stderr = shown("json", io.StringIO())
    events = [json.loads(line) for line in stdout.splitlines()]
    assert [event["event"] for event in events] == ["reached", "failed", "skipped", "note"]
    assert not any(hidden_in(str(value)) for event in events for value in event.values())
    assert stderr == ""


def test_an_event_has_these_keys() -> None:
    """The shape of events is a promise to whoever reads them."""
    stdout = io.StringIO()
    events = JsonEvents(stdout, now=lambda: MOMENT)
    error = DeviceError(4, "WrongKey", "the certificate is for another key", advice="run again")
    events.announce("line-7", 3)
    events.reached(device("a"), State.KEYED)
    events.failed(device("b"), error)
    events.skipped(device("c"), error)
    events.note("hello")
    why = {"step": 4, "code": "WrongKey", "message": "the certificate is for another key"}
    time = "2026-01-02T03:04:05.678Z"
    assert [json.loads(line) for line in stdout.getvalue().splitlines()] == [
        {"event": "begin", "version": 1, "run": "line-7", "devices": 3, "time": time},
        {"event": "reached", "thing": "a", "state": "KEYED", "step": 2, "time": time},
        {"event": "failed", "thing": "b", **why, "advice": "run again", "time": time},
        {"event": "skipped", "thing": "c", **why, "time": time},
        {"event": "note", "message": "hello", "time": time},
    ]


def test_a_reader_that_went_away_does_not_stop_the_run() -> None:
    """A broken pipe loses lines and events, never the devices that are in work."""
    meter = meter_of(2)
    for sink in (JsonEvents(Gone()), PlainLines(Gone())):
        meter.listeners.append(sink)
        sink.tick(Gauge(meter).read())
    meter.reached(device(), State.DONE)
    meter.fail(device(), DeviceError(4, "WrongKey", "the certificate is for another key"))
    assert (meter.at_least[State.DONE], meter.failed) == (1, 1)


def test_events_that_cannot_be_kept_stop_the_run() -> None:
    """A full disk behind standard output is told, since the events would be missing from a file."""

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, f"No space left on device for {len(text)} characters")

    with pytest.raises(DiskError, match="No space left"):
        JsonEvents(Full()).note("hello")


def test_a_plain_line_tells_all_there_is() -> None:
    """Stages, pace, limit, throttles, failures, and the time left stand on one line."""
    meter, clock = meter_of(300, skipped=2), Clock()
    gauge = Gauge(meter, clock)
    gauge.read()
    meter.limit = lambda: Limit("CreateCertificateFromCsr", 15.0, 7)
    meter.throttles = lambda: {"CreateCertificateFromCsr": 3}
    meter.failed = 1
    clock.now += 10
    for _ in range(120):
        meter.reached(device(), State.DONE)
    meter.stopping = True
    assert plain_line(gauge.read()) == (
        "things 0/300  keys 0/300  certificates 0/300  bundles 0/300  links 0/300  done 120/300  12.0 devices/s  "
        "limit CreateCertificateFromCsr 15/s  throttles 3  failed 1  skipped 2  left 0:15  "
        "stopping: finishing what is in flight"
    )


def test_a_plain_line_is_one_line_whatever_the_text() -> None:
    """No foreign text breaks a line of the log or acts on whoever shows it."""
    line = plain_line(Gauge(busy_meter(HOSTILE + "\n\r\u2028")).read())
    assert hidden_in(line) == []
    assert len(line.splitlines()) == 1


def test_many_failures_do_not_flood_the_log() -> None:
    """The first twenty failures are printed, and the rest are counted at the end."""
    stderr, meter = io.StringIO(), meter_of(100)
    log = FailureLog(stderr)
    meter.listeners.append(log)
    for number in range(25):
        meter.fail(device(f"t{number}"), DeviceError(4, "WrongKey", "the certificate is for another key"))
    log.end(Gauge(meter).read())
    lines = stderr.getvalue().splitlines()
    assert len(lines) == 21
    assert lines[0] == "failed: t0 · step 4 · WrongKey · the certificate is for another key"
    assert lines[-1] == "failed: 5 more, all of them in summary.csv"


def test_what_the_run_raises_passes_unchanged() -> None:
    """The display wraps no error: its kind decides the exit code."""
    error = DiskError("full")

    async def run() -> None:
        async with display(meter_of(1), kind="quiet", stdout=io.StringIO(), stderr=io.StringIO()):
            raise error

    with pytest.raises(DiskError) as caught:
        anyio.run(run)
    assert caught.value is error


def test_a_cancelled_run_still_gets_its_last_line() -> None:
    """A run that is cancelled from outside ends its display like any other."""
    stderr = io.StringIO()

    async def run() -> None:
        with anyio.CancelScope() as scope:
            async with display(meter_of(1), kind="auto", stdout=io.StringIO(), stderr=stderr):
                scope.cancel()
                await anyio.sleep_forever()

    anyio.run(run)
    assert len(stderr.getvalue().splitlines()) == 2
