"""docs/commands.md and the help that it is made from: whole, true, legible, and with examples that would run."""

from __future__ import annotations

import importlib.util
import re
import shlex
from functools import cache
from typing import Any

import pytest
import typer

from pipeline import errors
from pipeline.bundles.formats import FORMATS, PEM
from pipeline.bundles.listings import LISTINGS
from pipeline.bundles.names import FORMAT_NAMES, LISTING_NAMES
from pipeline.cli.app import app, load_commands
from pipeline.cli.presentation import Command
from pipeline.manifest.run_table import RUN_KEYS
from tests.project.documents import code, section, table
from tests.project.sources import ROOT

PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
LONGEST_EXAMPLE = 74
"""Characters that an example may have: 80 less what it is moved to the right by, and some air."""


@cache
def commands() -> dict[str, Command]:
    """Return the commands as the application has them."""
    load_commands()
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return {name: each for name, each in group.commands.items() if isinstance(each, Command)}


NAMES = list(commands())


def options(name: str) -> list[typer.core.TyperOption]:
    return [each for each in commands()[name].params if isinstance(each, typer.core.TyperOption)]


def example_lines(name: str) -> list[str]:
    return [line for line in commands()[name].examples.splitlines() if not line.startswith("#")]


def help_of(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int) -> str:
    """Return what --help prints on a terminal of this width."""
    monkeypatch.setenv("COLUMNS", str(width))
    command: Any = typer.main.get_command(app)
    with pytest.raises(SystemExit):
        command.main([*name.split(), "--help"], prog_name="thingmill")
    return capsys.readouterr().out


def test_the_page_is_what_the_application_says() -> None:
    """docs/commands.md is what docs/make_commands.py writes now; after a change it has to be written again."""
    spec = importlib.util.spec_from_file_location("make_commands", ROOT / "docs" / "make_commands.py")
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert maker.page() == PAGE


def test_every_command_has_a_section_with_its_options() -> None:
    """A section for each command names each of its options and arguments once, and no other."""
    for name in NAMES:
        rows = re.findall(r"^\| (`-[^|]*) \|", section(PAGE, name), re.MULTILINE)
        told = [option for row in rows for option in re.findall(r"`([^`]+)`", row)]
        assert sorted(told) == sorted(word for each in options(name) for word in each.opts)


def test_what_may_stand_under_run_is_told() -> None:
    """Each setting that [run] takes stands beside the option of its name, and nothing else does."""
    found: set[str] = set()
    for rows in re.findall(
        r"^\| option \| value \| `\[run\]`.*?\n((?:\|.*\n)+)", section(PAGE, "run"), re.MULTILINE
    ):
        for row in rows.splitlines()[1:]:
            option, _, setting = (cell.strip() for cell in row.strip("|").split("|")[:3])
            if setting:
                assert setting.replace("_", "-").strip("`") == option.split(",")[0].strip("`-")
                found |= code(setting)
    assert found == set(RUN_KEYS)


def test_exit_codes_are_those_of_the_errors() -> None:
    """The table has nought, and every code that an error of ``pipeline.errors`` ends in."""
    kinds = [getattr(errors, name) for name in errors.__all__]
    assert {int(row[0]) for row in table(PAGE, "code")} == {0} | {kind.exit_code for kind in kinds}


@pytest.mark.parametrize("name", NAMES)
def test_help_of_an_option_says_what_goes_behind_it(name: str) -> None:
    """An option that takes a value shows a word in capitals for it, not a type; a switch shows none."""
    for option in options(name):
        word = option.metavar or ""
        assert (word == "") if option.is_flag else re.fullmatch(r"[A-Z]+([=/][A-Z]+)?", word), option.opts
        assert (option.help or "").endswith("."), option.opts
        assert ("repeatable" in (option.help or "")) == option.multiple, option.opts


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_examples_that_would_run(name: str) -> None:
    """Help ends with examples that fit 80 columns, one of that command at least, which the real parser takes."""
    lines = example_lines(name)
    assert any(line.split()[1] == name for line in lines)
    for line in commands()[name].examples.splitlines():
        assert len(line) <= LONGEST_EXAMPLE
    for line in lines:
        program, called, *words = shlex.split(line.partition(" > ")[0])
        assert program == "thingmill"
        commands()[called].make_context(called, words)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", ["", *NAMES])
def test_help_fits_a_terminal(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No line of help is wider than the terminal or names a type of Python, and the examples stand there whole."""
    shown = help_of(name, monkeypatch, capsys, width)
    assert max(map(len, shown.splitlines())) <= width
    assert not re.search(r"<[a-z]|None", shown)
    for line in commands()[name].examples.splitlines() if name else ():
        assert f"\n   {line}\n" in shown


def test_many_options_stand_in_panels(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The options of run are in panels of eight at most, with --help in the last; few options need only one."""
    panels: dict[str, int] = {}
    for option in options("run"):
        assert option.rich_help_panel
        panels[option.rich_help_panel] = panels.get(option.rich_help_panel, 0) + 1
    assert len(panels) > 4
    assert max(panels.values()) <= 8
    last = help_of("run", monkeypatch, capsys, 80).split("╭─")[-1]
    assert last.startswith(f" {list(panels)[-1]} ")
    assert "--help" in last
    assert help_of("status", monkeypatch, capsys, 80).count("╭─") == 2  # its argument, and its options


def test_a_command_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list of commands has a line for each on 80 columns, in panels."""
    shown = help_of("", monkeypatch, capsys, 80)
    for command in commands().values():
        assert f" {(command.help or '').split(chr(10))[0]} " in shown
        assert f"─ {command.rich_help_panel} ─" in shown


def test_the_names_of_formats_are_those_that_there_are() -> None:
    """What help and completion list without loading any format are the formats and listings, in their order."""
    assert (PEM, *FORMATS) == FORMAT_NAMES
    assert tuple(LISTINGS) == LISTING_NAMES
    for name in ("run", "export"):
        [option] = [each for each in options(name) if each.name == "format"]
        assert all(re.search(rf"\b{each}\b", option.help or "") for each in (*FORMAT_NAMES, *LISTING_NAMES))
