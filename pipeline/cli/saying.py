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
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from pipeline.text import printable_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Group", "prepare_streams", "quiet_logs", "say", "say_object", "say_unforeseen"]

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


class Group(TyperGroup):
    """The commands, whose complaints about words on the command line are printable: scripts put names there."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  as typer has it
        """Parse what stands before the command."""
        with _printable_complaints():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  as typer has it
        """Parse what stands after the command, and run it."""
        with _printable_complaints():
            return super().invoke(ctx)


@contextmanager
def _printable_complaints() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # The class of typer's complaints has no public name; this method is what they are shown by.
        if hasattr(error, "format_message") and isinstance(message := getattr(error, "message", None), str):
            vars(error)["message"] = printable_lines(message.expandtabs(4), 500)
        raise
