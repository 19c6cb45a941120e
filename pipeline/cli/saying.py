"""What reaches a terminal from the command line: every line, every JSON object, and what nobody foresaw.

Foreign text passes ``printable`` where it joins a sentence. Here each line passes it once more, so that no message
of a library, name of a file or cell of a handed-over ledger acts on a terminal because one place forgot. Only
``pipeline.progress``, whose lines are drawn by rich, writes past this file.
"""

from __future__ import annotations

import io
import json
import sys
import traceback

import typer

from pipeline.errors import InterruptedRunError, UsageError
from pipeline.text import printable_lines

__all__ = ["ask_to_go_on", "prepare_streams", "quiet_logs", "say", "say_object", "say_unforeseen"]

_TRACEBACK = 100_000
"""Characters of a traceback that are shown at most, the last ones: they say what happened."""


def say(text: str, *, err: bool = False) -> None:
    """Print text of one or several lines, none of which acts on a terminal.

    Args:
        text: What to print; LF alone ends a line.
        err: To standard error.
    """
    typer.echo(printable_lines(text), err=err)


def say_object(value: object, *, indent: int | None = None) -> None:
    """Print JSON (RFC 8259) on standard output, in ASCII and whole, however long it is."""
    typer.echo(json.dumps(value, indent=indent))


def say_unforeseen(error: BaseException) -> None:
    """Print the traceback of an error that no code foresaw; it may quote anything, so it passes ``say`` too."""
    text = "".join(traceback.format_exception(error)).rstrip("\n")
    say(("…" if len(text) > _TRACEBACK else "") + text[-_TRACEBACK:], err=True)


def prepare_streams() -> None:
    """See that a locale without some character cannot end a command: what it lacks is written as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def quiet_logs() -> None:
    """See that what libraries log where nobody listens reaches standard error printable too."""
    import logging

    class Printable(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return printable_lines(super().format(record)[-_TRACEBACK:])

    if logging.lastResort is not None:
        logging.lastResort.setFormatter(Printable())


def ask_to_go_on() -> None:
    """Ask a person at a terminal whether to go on with what was shown.

    Raises:
        UsageError: The answer was no.
        InterruptedRunError: There was none: Ctrl-C, or the terminal went away.
    """
    try:
        if typer.confirm("Go on?", default=False, err=True):
            return
    except typer.Abort:
        say("", err=True)
        raise InterruptedRunError(
            "nothing was done", advice="run the same command again to be asked again"
        ) from None
    raise UsageError("nothing was done, since the answer was no", advice="to go on, run it again and answer y")
