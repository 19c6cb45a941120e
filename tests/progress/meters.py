"""Meters in the middle of a run, and hostile text for them."""

from __future__ import annotations

import io
import re
import threading

from pipeline.device import Device, State
from pipeline.errors import DeviceError
from pipeline.meter import Limit, Meter

HOSTILE = "\x1b]52;c;ZXZpbA==\x07\u202e\x1b[2J[red]x[/red] :bomb: 日本語" + " very long" * 30
"""Sets the clipboard, turns the direction of text, clears the screen; has markup and wide characters; is long."""

_HIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Watched(Terminal):
    """A terminal at which somebody waits for a text to appear."""

    def __init__(self, wanted: str) -> None:
        super().__init__()
        self._wanted = wanted
        self.seen = threading.Event()

    def write(self, text: str) -> int:
        if self._wanted in text:
            self.seen.set()
        return super().write(text)


class Gone(io.StringIO):
    """A pipe whose reader went away."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, f"Broken pipe, {len(text)} characters lost")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def device(name: str = "TestThing001") -> Device:
    return Device(name, 1, common_name=name)


def meter_of(total: int, *, done: int = 0, skipped: int = 0) -> Meter:
    """The meter of a run that an earlier process has taken so far."""
    meter = Meter()
    meter.begin({State.DONE: done, State.LISTED: total - done}, skipped)
    return meter


def busy_meter(text: str = HOSTILE) -> Meter:
    """A meter that has everything to show, all of it hostile."""
    meter = meter_of(1_000_000, done=123_456)
    meter.limit = lambda: Limit(f"CreateCertificateFromCsr{text}", 15.0, 231)
    meter.throttles = lambda: {f"CreateCertificateFromCsr{text}": 3, "AttachPolicy": 1}
    for number in range(4):
        meter.fail(device(f"{text}{number}"), DeviceError(4, text, text, advice=text))
    meter.stopping = True
    return meter


def hidden_in(text: str) -> list[str]:
    """The characters of a text that a terminal would act on, line ends aside."""
    return _HIDDEN.findall(text)
