"""How commands present themselves: help in panels, examples at its end, and complaints about a command line."""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from pipeline.cli.nearest import did_you_mean
from pipeline.text import printable_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Command", "Group"]

_FEW = 9
"""Options that one panel is enough for."""

_OFFERED = 72
"""Characters of help that a shell shows beside a word at most."""

_SHELLS = ("bash", "zsh", "fish")

_COMPLETION = {
    "install_completion": "Have this shell complete words with Tab.",
    "show_completion": "Print what does that in bash, zsh or fish.",
}


class Command(TyperCommand):
    """A command whose help has its options in panels, where they are many, and ends with examples.

    Attributes:
        examples: Command lines, each with comments above it, as they are shown.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  as typer has it
        super().__init__(*args, **kwargs)
        # Taken out of typer's hands, some versions of which would fold the lines.
        self.examples: str = self.epilog or ""
        self.epilog = None
        options = [_tidy(parameter) for parameter in self.params if isinstance(parameter, TyperOption)]
        if len(options) < _FEW:
            for option in options:
                option.rich_help_panel = None
        for parameter in self.params:
            if isinstance(parameter, TyperArgument):
                # Every argument is text, which its name and help say already.
                vars(parameter)["display_type_rich"] = _nothing

    def get_help_option(self, ctx: Any) -> Any:  # noqa: ANN401  as typer has it
        """Return ``--help``, which goes to the last panel."""
        option = super().get_help_option(ctx)
        if isinstance(option, TyperOption):
            _tidy(option).rich_help_panel = getattr(self.params[-1], "rich_help_panel", None)
        return option

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:  # noqa: ANN401  as typer has it
        """Return options that a shell may offer, each with a line of its help."""
        found = super().shell_complete(ctx, incomplete)
        for item in found:
            item.help = shorten(item.help or "", _OFFERED, placeholder="…")
        return found

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401  as typer has it
        """Print the help, and the examples below it."""
        super().format_help(ctx, formatter)
        if self.examples:
            _print_examples(self.examples)


class Group(TyperGroup):
    """The commands, whose complaints about words on the command line are printable: scripts put names there."""

    def get_params(self, ctx: Any) -> Any:  # noqa: ANN401  as typer has it
        """Return the options that stand before a command."""
        found = super().get_params(ctx)
        for parameter in found:
            if not isinstance(parameter, TyperOption):
                continue
            words = _COMPLETION.get(_tidy(parameter).name)
            if words and parameter.callback and parameter.help != words:
                parameter.help, parameter.callback = words, _in_a_shell(parameter.callback)
        return found

    def make_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  as typer has it
        """Parse what stands before the command."""
        with _plain_complaints():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  as typer has it
        """Parse what stands after the command, and run it."""
        with _plain_complaints():
            return super().invoke(ctx)


def _tidy(option: TyperOption) -> TyperOption:
    """Take ``<bool>`` away from a switch, which takes no value."""
    if option.is_flag:
        option.metavar = ""
    return option


def _in_a_shell(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Return a callback of typer's, with a complaint of ours where it would not know what to do."""

    def checked(ctx: typer.Context, param: Any, value: object) -> Any:  # noqa: ANN401  as typer has it
        if value and not ctx.resilient_parsing:
            shellingham = importlib.import_module("shellingham")  # typer's own way to tell
            try:
                shell = shellingham.detect_shell()[0]
            except shellingham.ShellDetectionFailure:
                shell = ""
            if shell not in _SHELLS:
                told = f"the shell here is {shell}" if shell else "which shell this is cannot be told"
                raise typer.BadParameter(f"{told}; run it in one of {', '.join(_SHELLS)}", ctx, param)
        return callback(ctx, param, value)

    return checked


def _nothing(ctx: object) -> None:
    """Return that an argument has no type to be shown."""


def _print_examples(examples: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False)
    console.print(Text(" Examples:\n", "bold"))
    for line in examples.splitlines():
        # Whole, to be copied, however narrow the terminal.
        console.print(Text(f"   {line}", "dim" if line.startswith("#") else ""), soft_wrap=True)


@contextmanager
def _plain_complaints() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # The class of typer's complaints has no public name; this method is what they are shown by.
        if hasattr(error, "format_message") and isinstance(message := getattr(error, "message", None), str):
            vars(error)["message"] = printable_lines(_helpful(error, message).expandtabs(4), 500)
        raise


def _helpful(error: Exception, message: str) -> str:
    """Return a complaint of typer's in plain words, with what may have been meant."""
    unknown = getattr(error, "option_name", None)
    if isinstance(unknown, str) and "possibilities" in vars(error):
        vars(error)["possibilities"] = None
        known = [name for parameter in _parameters(error) for name in (*parameter.opts, *parameter.secondary_opts)]
        near = did_you_mean(unknown, known)
        return f"{message}. {near.capitalize()}" if near else message
    # What checks values is a library of typer's, which begins so.
    return message.removeprefix("Value error, ")


def _parameters(error: Exception) -> list[Any]:
    context = getattr(error, "ctx", None)
    return context.command.get_params(context) if context is not None else []
