"""The run as JSON, an object a line on standard output: what ``--json`` prints.

==========  =====================================================
event       keys
==========  =====================================================
begin       version, run, devices, time
reached     thing, state, step, time
failed      thing, step, code, message, advice, time
skipped     thing, step, code, message, time
note        message, time
summary     those of ``summary.json``, and folder
==========  =====================================================

``begin`` comes first and ``summary`` last. ``docs/events.schema.json`` describes them and those of other commands.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from pipeline.errors import DiskError
from pipeline.progress.sinks import Silence
from pipeline.published import VERSION
from pipeline.report import document
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.device import Device, State
    from pipeline.errors import DeviceError
    from pipeline.report import Summary

__all__ = ["JsonEvents", "print_summary"]


class JsonEvents(Silence):
    """Prints every event.

    Args:
        stream: Standard output.
        now: The time of day, with its time zone.
    """

    def __init__(self, stream: TextIO, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._stream = stream
        self._now = now

    def announce(self, run: str, devices: int) -> None:
        """Print what the stream is: the first event, before anything is asked or done.

        Args:
            run: The run's name.
            devices: Rows of the manifest.
        """
        self._print("begin", version=VERSION, run=printable(run), devices=devices)

    def reached(self, device: Device, state: State) -> None:
        """Print that a device's step became durable."""
        self._print("reached", thing=printable(device.thing_name), state=state.name, step=int(state))

    def failed(self, device: Device, error: DeviceError) -> None:
        """Print that a device failed."""
        self._print("failed", **_error(device, error), advice=printable(error.advice))

    def skipped(self, device: Device, reason: DeviceError) -> None:
        """Print that a device is left alone."""
        self._print("skipped", **_error(device, reason))

    def note(self, message: str) -> None:
        """Print what a person should know."""
        self._print("note", message=printable(message))

    def _print(self, event: str, **fields: str | int) -> None:
        moment = self._now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        _print(self._stream, {"event": event, **fields, "time": moment})


def print_summary(summary: Summary, stream: TextIO) -> None:
    """Print the last event: the document of ``summary.json``, and where the run is.

    Raises:
        DiskError: It cannot be written.
    """
    folder = printable(str(summary.folder.root), limit=4096)
    _print(stream, {"event": "summary", **document(summary), "folder": folder})


def _error(device: Device, error: DeviceError) -> dict[str, str | int]:
    return {
        "thing": printable(device.thing_name),
        "step": error.step,
        "code": printable(error.code),
        "message": printable(error.message),
    }


def _print(stream: TextIO, event: dict[str, Any]) -> None:
    try:
        stream.write(json.dumps(event) + "\n")
        stream.flush()
    except BrokenPipeError:
        # Whoever read has heard enough (``| head``). The devices in work are worth more than the events.
        return
    except OSError as error:
        raise DiskError(
            f"the events cannot be written to standard output: {error.strerror or error}",
            advice="make room, then run the same command again: it goes on from here",
        ) from error
