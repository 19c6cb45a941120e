"""The application object, what all commands share, and how an error is shown."""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
from typing import TYPE_CHECKING, NoReturn, ParamSpec

import typer

from pipeline.cli.parameters import MANIFEST, OUTPUT, RUN
from pipeline.cli.presentation import Command, Group
from pipeline.cli.runs import find_run
from pipeline.cli.saying import prepare_streams, quiet_logs, say, say_unforeseen
from pipeline.errors import InterruptedRunError, ThingmillError
from pipeline.grouped import most_telling

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = [
    "MANIFEST",
    "OUTPUT",
    "RUN",
    "app",
    "command",
    "find_run",
    "load_commands",
    "main",
    "run_async",
    "settling_seconds",
    "show",
]

P = ParamSpec("P")

_COMMANDS = {
    "run": "Provision",
    "check": "Provision",
    "plan": "Provision",
    "status": "Look",
    "verify": "Look",
    "report": "Look",
    "merge": "Look",
    "export": "After a run",
    "reconcile": "After a run",
    "revoke": "After a run",
    "retire": "After a run",
    "policy": "Policies and trials",
    "iam": "Policies and trials",
    "local": "Policies and trials",
}
"""Each is a module that registers one command when it is imported, in the order of ``--help``, with its panel."""

app = typer.Typer(
    name="thingmill",
    cls=Group,
    help="Put thousands of devices on AWS IoT Core, each with exactly one certificate.\n\n"
    "thingmill COMMAND --help says what a command takes, with examples.",
    no_args_is_help=True,
    # A traceback that prints local variables could print a key.
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> NoReturn:
    """Run the command line and exit."""
    prepare_streams()
    load_commands()
    if "_THINGMILL_COMPLETE" in os.environ:
        # typer would fold help to the width of the terminal, and fish takes each line for a word to offer.
        os.environ["COLUMNS"] = "1000"
    try:
        app(prog_name="thingmill")
    except KeyboardInterrupt:
        sys.exit(InterruptedRunError.exit_code)
    except BrokenPipeError:
        # Whoever read our output has seen enough (thingmill … | head); nothing is left to be said to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  Python would print it as it is
        say_unforeseen(error)
        sys.exit(1)
    sys.exit(0)


def load_commands() -> None:
    """Have every command register itself."""
    for name in _COMMANDS:
        importlib.import_module(f"pipeline.cli.{name}")


@app.callback(invoke_without_command=True)
def _version(
    version: bool = typer.Option(
        False, "--version", help="Print the version, and what it runs on.", is_eager=True
    ),
) -> None:
    if version:
        from pipeline.cli.version import version_lines

        for line in version_lines():
            say(line)
        raise typer.Exit


def command(name: str, *, examples: str = "") -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Register a command, whose ``ThingmillError`` becomes a sentence on stderr and an exit code.

    Args:
        name: What it is called by.
        examples: Command lines for the end of its help, with comments above them; none longer than 74 characters.
    """

    def register(function: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(function)
        def shown(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                function(*args, **kwargs)
            except ThingmillError as error:
                show(error)
                raise typer.Exit(error.exit_code) from None

        # Paragraphs of a docstring are folded by the terminal, and not where the source has its lines.
        words = [" ".join(paragraph.split()) for paragraph in (inspect.getdoc(function) or "").split("\n\n")]
        registered = app.command(
            name,
            cls=Command,
            help="\n\n".join(words),
            epilog=inspect.cleandoc(examples),
            rich_help_panel=_COMMANDS[name],
        )
        registered(shown)
        return function

    return register


def run_async(function: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine function to its end; an error out of a task group is raised as itself."""
    import anyio

    quiet_logs()
    try:
        anyio.run(function)
    except BaseExceptionGroup as group:
        error = most_telling(group)
        raise error from None


def show(error: ThingmillError) -> None:
    """Say on stderr what happened and what to do about it."""
    for line in error.details:
        say(line, err=True)
    hidden = getattr(error, "total", 0) - len(error.details)
    if hidden > 0:
        say(f"… and {hidden:,} more", err=True)
    say(f"thingmill: {error.message}", err=True)
    if error.advice:
        say(f"           {error.advice}", err=True)


def settling_seconds() -> float:
    """Return how long a lost certificate is looked for; a double of AWS IoT that lists at once needs less."""
    from pipeline.reconcile import SETTLING_SECONDS

    try:
        seconds = float(os.environ.get("THINGMILL_SETTLING_SECONDS", SETTLING_SECONDS))
    except ValueError:
        seconds = -1.0
    return seconds if 0 <= seconds < 3600 else SETTLING_SECONDS
