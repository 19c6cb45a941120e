"""The application object, what all commands share, and how an error is shown."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, ParamSpec

import typer

from pipeline import __version__
from pipeline.cli.saying import Group, prepare_streams, quiet_logs, say, say_unforeseen
from pipeline.errors import InterruptedRunError, ThingmillError, UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = [
    "MANIFEST",
    "OUTPUT",
    "RUN",
    "app",
    "command",
    "find_run",
    "main",
    "run_async",
    "settling_seconds",
    "show",
]

P = ParamSpec("P")

_COMMANDS = (
    "run",
    "check",
    "plan",
    "status",
    "verify",
    "report",
    "export",
    "reconcile",
    "revoke",
    "retire",
    "policy",
    "iam",
    "local",
)
"""Each is a module that registers one command when it is imported, in the order of ``--help``."""

MANIFEST = typer.Argument(metavar="MANIFEST", help="A manifest, or - for standard input.")
RUN = typer.Argument(metavar="RUN", help="A run's folder, or its name.")
OUTPUT = typer.Option(Path("output"), "--output", metavar="DIR", help="Where runs land.")

app = typer.Typer(
    name="thingmill",
    cls=Group,
    help="Put thousands of devices on AWS IoT Core, each with exactly one certificate.",
    no_args_is_help=True,
    add_completion=False,
    # A traceback that prints local variables could print a key.
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> NoReturn:
    """Run the command line and exit."""
    for name in _COMMANDS:
        importlib.import_module(f"pipeline.cli.{name}")
    prepare_streams()
    try:
        app()
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


@app.callback(invoke_without_command=True)
def _version(
    version: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True),
) -> None:
    if version:
        say(f"thingmill {__version__}")
        raise typer.Exit


def command(name: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Register a command, whose ``ThingmillError`` becomes a sentence on stderr and an exit code."""

    def register(function: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(function)
        def shown(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                function(*args, **kwargs)
            except ThingmillError as error:
                show(error)
                raise typer.Exit(error.exit_code) from None

        app.command(name)(shown)
        return function

    return register


def run_async(function: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine function to its end; an error out of a task group is raised as itself."""
    import anyio

    quiet_logs()
    try:
        anyio.run(function)
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = _telling(error)
        raise error from None


def _telling(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error of a group that says most: ours before any other."""
    ours = group.subgroup(ThingmillError)
    return (ours or group).exceptions[0]


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


def find_run(run: str, output: Path) -> Path:
    """Return the folder of a run that is named by its path, or by its name in the output folder.

    Raises:
        UsageError: There is no such run.
    """
    for folder in (Path(run), output / run):
        if (folder / "ledger.db").is_file():
            return folder
    raise UsageError(
        f"there is no run {printable(run)}",
        advice=f"give a run's folder, or its name in {printable(str(output))} (see --output)",
    )
