"""The run on a terminal, in a log, or as JSON; with ``cli`` the only place that knows rich.

::

    with validating("line-7.csv", stderr=sys.stderr) as progress:
        roster = load("line-7.csv", defaults, progress=progress)
    async with display(meter, kind="auto", stdout=sys.stdout, stderr=sys.stderr):
        await run.execute()
    final_table(summary, stream=sys.stdout)
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Literal, TextIO

import anyio
from rich.console import Console

from pipeline.progress.events import JsonEvents, print_summary
from pipeline.progress.figures import Figures, Gauge
from pipeline.progress.lines import PlainLines
from pipeline.progress.result import print_result
from pipeline.progress.revoking import BarOfRevoking, EventsOfRevoking, LinesOfRevoking, bar_of_revoking
from pipeline.progress.screen import Screen
from pipeline.progress.sinks import FailureLog
from pipeline.progress.validation import bar_of_reading, lines_of_reading
from pipeline.progress.view import View, record_svg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from pipeline.meter import Meter
    from pipeline.progress.sinks import Silence
    from pipeline.report import Summary

__all__ = [
    "Figures",
    "Gauge",
    "JsonEvents",
    "Kind",
    "View",
    "display",
    "final_table",
    "print_summary",
    "record_svg",
    "revoking",
    "validating",
]

Kind = Literal["auto", "quiet", "json"]
"""``auto`` draws on a terminal and prints lines elsewhere, ``quiet`` prints failures, ``json`` prints events."""


@contextlib.asynccontextmanager
async def display(
    meter: Meter,
    *,
    kind: Kind,
    stdout: TextIO,
    stderr: TextIO,
    console: Console | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[None]:
    """Show a run for as long as the body runs. What the body raises passes unchanged.

    Args:
        meter: Counts the run.
        kind: What to show.
        stdout: Takes the events of ``json``, and nothing else.
        stderr: Takes all the rest.
        console: Draw on this console whatever ``stderr`` is (to record a picture).
        clock: Seconds on a clock that never goes back.
    """
    sink = _sink(kind, stdout, stderr, console)
    gauge = Gauge(meter, clock)
    sink.begin(gauge.read())
    meter.listeners.append(sink)
    # No task group: it would wrap the errors of the body, which decide the exit code.
    watching = asyncio.create_task(_watch(gauge, sink), name="progress")
    try:
        yield
    finally:
        watching.cancel()
        meter.listeners.remove(sink)
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([watching])
        finally:
            # Whatever happened, the terminal gets its cursor back.
            sink.end(gauge.read())


def validating(
    manifest: str, *, stderr: TextIO, kind: Kind = "auto", clock: Callable[[], float] = time.monotonic
) -> contextlib.AbstractContextManager[Callable[[int, int, int | None], None]]:
    """Show how far a manifest is read, where it takes long enough to be noticed.

    Args:
        manifest: As the user named it.
        stderr: Where to.
        kind: Only ``auto`` shows anything.
        clock: Seconds on a clock that never goes back.

    Returns:
        A context manager that gives what ``manifest.load`` takes as ``progress``.
    """
    if kind != "auto":
        return contextlib.nullcontext(_ignore)
    console = _terminal(stderr)
    if console is None:
        return lines_of_reading(manifest, stderr, clock)
    return bar_of_reading(manifest, console, clock)


@contextlib.contextmanager
def revoking(
    run: str, total: int, *, kind: Kind, stdout: TextIO, stderr: TextIO
) -> Iterator[LinesOfRevoking | EventsOfRevoking]:
    """Show how far a revoke is for as long as the block runs.

    Args:
        run: The run's name.
        total: Devices to take back.
        kind: What to show; ``quiet`` is not among it.
        stdout: Takes the events of ``json``, and nothing else.
        stderr: Takes all the rest.

    Yields:
        Who is to be told (``pipeline.revoke.Watcher``), which listens to a meter's notes too.
    """
    console = None if kind == "json" else _terminal(stderr)
    watcher: LinesOfRevoking | EventsOfRevoking
    with contextlib.ExitStack() as stack:
        if kind == "json":
            watcher = EventsOfRevoking(stdout)
        elif console is None:
            watcher = LinesOfRevoking(run, total, stderr)
        else:
            watcher = bar = BarOfRevoking(run, total, console)
            stack.enter_context(bar_of_revoking(bar, console))
        yield watcher
        watcher.end()


def final_table(summary: Summary, *, stream: TextIO) -> None:
    """Print what became of a run's devices, for a person, and how to go on.

    Args:
        summary: What ``report.write_all`` returned.
        stream: Where to; colours are used on a terminal only.
    """
    print_result(summary, _console(stream))


async def _watch(gauge: Gauge, sink: Silence) -> None:
    # Here, and not in the drawing thread: what a meter asks belongs to the event loop.
    while sink.every is not None:
        await anyio.sleep(sink.every)
        sink.tick(gauge.read())


def _sink(kind: Kind, stdout: TextIO, stderr: TextIO, console: Console | None) -> Silence:
    if kind == "json":
        return JsonEvents(stdout)
    if kind == "quiet":
        return FailureLog(stderr)
    terminal = console or _terminal(stderr)
    return PlainLines(stderr) if terminal is None else Screen(terminal)


def _terminal(stream: TextIO) -> Console | None:
    """Return a console on a stream, or None where nothing can be drawn in place there."""
    console = _console(stream)
    return console if stream.isatty() and not console.is_dumb_terminal else None


def _console(stream: TextIO) -> Console:
    return Console(file=stream, markup=False, emoji=False, highlight=False)


def _ignore(rows: int, read: int, total: int | None) -> None:
    """Take a reader's progress and show nothing of it."""
