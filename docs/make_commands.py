"""Writes docs/commands.md, the reference of the command line, from the application itself.

::

    .venv/bin/python docs/make_commands.py

What it says of a command or an option is what ``--help`` says. A test writes it in memory and compares.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipeline import errors
from pipeline.cli.app import app, load_commands
from pipeline.cli.presentation import Command
from pipeline.manifest.run_table import RUN_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGE = Path(__file__).resolve().parent / "commands.md"

_HEAD = """# Commands

This page is written by `docs/make_commands.py` from what `thingmill COMMAND --help` says.
"""

_EXIT_CODES = """
## Exit codes

For `run`, all is well when every device is done, or was left alone with `--existing skip`. For `verify`, `export`,
`revoke` and `retire` a device that is not in order, or could not be served, counts as one that failed.
"""

_COMPLETION = """
## Completion

In bash, zsh and fish, Tab completes commands, options, names of runs, formats and types of keys, once
`thingmill --install-completion` was called there. `thingmill --show-completion` prints what that adds.
"""

_SETTINGS = """
Options with a name in the column `[run]` may also stand under `[run]` in a TOML manifest, by that name. `-` and
`_` are the same in it.
"""

_CODE = re.compile(
    r"(?<![\w`-])(?:--existing rotate|--format pkcs12|verify --json|--[a-z][a-z0-9-]*)|\b(?:file:PATH|fd:N)\b"
)
"""What is shown as code: options, some with the word that belongs to them, and where secrets are."""


def page() -> str:
    """Return the whole page."""
    load_commands()
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)  # noqa: S101  it has more than one command
    parts = [_HEAD, *_overview(group), _EXIT_CODES, *_table(("code", "when"), _exit_codes()), _COMPLETION]
    for name, command in group.commands.items():
        assert isinstance(command, Command)  # noqa: S101  so they are registered
        parts += _command(name, command)
    return "".join(parts)


def _overview(group: typer.core.TyperGroup) -> Iterator[str]:
    panels: dict[str, list[tuple[str, str]]] = {}
    for name, command in group.commands.items():
        assert isinstance(command, Command)  # noqa: S101  so they are registered
        panel = command.rich_help_panel or ""
        panels.setdefault(panel, []).append((f"[`{name}`](#{name})", _words(_paragraphs(command)[0])))
    rows = [(panel if first else "", *row) for panel, found in panels.items() for first, row in _marked(found)]
    yield from _table(("", "command", "does"), rows)
    yield "\n`thingmill --version` prints the version, and what it runs on.\n"


def _marked(rows: list[tuple[str, str]]) -> Iterator[tuple[bool, tuple[str, str]]]:
    return ((number == 0, row) for number, row in enumerate(rows))


def _exit_codes() -> Iterator[tuple[str, str]]:
    yield "0", "All is well."
    kinds = [getattr(errors, name) for name in errors.__all__ if name != "ThingmillError"]
    for code in sorted({kind.exit_code for kind in kinds}):
        said = [(kind.__doc__ or "").split("\n\n")[0] for kind in kinds if kind.exit_code == code]
        yield str(code), _words(" ".join(" ".join(text.split()) for text in said))


def _command(name: str, command: Command) -> Iterator[str]:
    arguments = [each for each in command.params if isinstance(each, typer.core.TyperArgument)]
    options = [each for each in command.params if isinstance(each, typer.core.TyperOption) and not each.hidden]
    usage = ["thingmill", name, *(_usage(argument) for argument in arguments), "[OPTION]..."]
    yield f"\n## {name}\n\n```text\n{' '.join(usage)}\n```\n"
    for paragraph in _paragraphs(command):
        yield f"\n{_words(paragraph)}\n"
    if name == "run":
        yield _SETTINGS
    if arguments:
        rows = [(f"`{each.metavar}`", _default(each), _words(each.help or "")) for each in arguments]
        yield from _table(("argument", "default", "meaning"), rows)
    panels: dict[str, list[typer.core.TyperOption]] = {}
    for option in options:
        panels.setdefault(option.rich_help_panel or "Options", []).append(option)
    for panel, found in panels.items():
        yield f"\n**{panel}**\n"
        settings = name == "run" and any(option.name in RUN_KEYS for option in found)
        head = ("option", "value", *(["`[run]`"] if settings else []), "default", "meaning")
        yield from _table(head, (_row(option, settings=settings) for option in found))
    if command.examples:
        yield f"\n```sh\n{command.examples}\n```\n"


def _row(option: typer.core.TyperOption, *, settings: bool) -> tuple[str, ...]:
    names = ", ".join(f"`{name}`" for name in option.opts)
    value = f"`{option.metavar}`" if option.metavar else ""
    setting = [f"`{option.name}`" if option.name in RUN_KEYS else ""] if settings else []
    return (names, value, *setting, _default(option), _words(option.help or "") + _limits(option))


def _limits(option: typer.core.TyperOption) -> str:
    """Say which numbers an option takes, where not all of them."""
    if option.min is None:
        return ""
    return f" {option.min:g} and more." if option.max is None else f" {option.min:g} to {option.max:g}."


def _usage(argument: typer.core.TyperArgument) -> str:
    shown = argument.metavar or argument.name
    return shown if argument.required else f"[{shown}]..."


def _default(parameter: typer.core.TyperArgument | typer.core.TyperOption) -> str:
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return _words(parameter.show_default)
    value = parameter.default
    if value is None or isinstance(value, bool):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _paragraphs(command: Command) -> list[str]:
    return (command.help or "").split("\n\n")


def _words(text: str) -> str:
    """Return help as Markdown: options as code, other pages as links, and no bar that would end a cell."""
    shown = _CODE.sub(lambda found: f"`{found[0]}`", text.replace("|", "\\|"))
    return re.sub(r"\bdocs/(\w+\.md)\b", r"[\1](\1)", shown)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    head = tuple(head)
    yield "\n"
    for row in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(row)} |\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
