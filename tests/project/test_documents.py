"""README and docs held against the product: what they say is what there is."""

from __future__ import annotations

import ast
import importlib
import math
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import typer

from pipeline import __version__, errors
from pipeline.aws.quotas import DEFAULTS
from pipeline.bundles.formats import FORMATS, PEM
from pipeline.bundles.listings import LISTINGS
from pipeline.cli import app as command_line
from pipeline.manifest.columns import ALIASES
from pipeline.manifest.run_table import RUN_KEYS
from pipeline.progress import events
from tests.project.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

README = (ROOT / "README.md").read_text(encoding="utf-8")
ISSUANCE = (ROOT / "docs" / "issuance.md").read_text(encoding="utf-8")
FORMATS_PAGE = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
DOCUMENTS = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "docs/issuance.md", "docs/formats.md", "CHANGELOG.md")
}
PICTURES = sorted((ROOT / "docs").glob("*.svg"))

_CELLS = re.compile(r"(?<!\\)\|")
_OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z0-9-]*")


def table(document: str, first_header: str) -> list[list[str]]:
    """Return the rows, without the two of its head, of the table whose first column has this header."""
    lines = iter(document.splitlines())
    for line in lines:
        if line.startswith("|") and _row(line)[0] == first_header:
            next(lines)
            return list(_rows(lines))
    raise AssertionError(f"no table begins with {first_header}")


def _rows(lines: Iterator[str]) -> Iterator[list[str]]:
    for line in lines:
        if not line.startswith("|"):
            return
        yield _row(line)


def _row(line: str) -> list[str]:
    return [cell.strip() for cell in _CELLS.split(line.strip().strip("|"))]


def code(cell: str) -> set[str]:
    """Return what stands between backticks."""
    return set(re.findall(r"`([^`]+)`", cell))


def options_of_commands() -> dict[str, set[str]]:
    """Return every option of every command, long and short, from the application itself."""
    for name in command_line._COMMANDS:
        importlib.import_module(f"pipeline.cli.{name}")
    group = typer.main.get_command(command_line.app)
    assert isinstance(group, typer.core.TyperGroup)
    return {
        name: {option for parameter in command.params for option in parameter.opts if option.startswith("-")}
        for name, command in group.commands.items()
    }


OPTIONS = options_of_commands()


def test_every_command_has_a_row() -> None:
    """The README's table names the commands that there are, in the order of --help, and no other."""
    rows = table(README, "command")
    assert [row[0].strip("`").split()[0] for row in rows] == list(OPTIONS)


@pytest.mark.parametrize("command", sorted(OPTIONS.keys() - {"run"}))
def test_a_command_has_all_its_options_in_its_row(command: str) -> None:
    """Each option of a command is in its row, and none that it does not have."""
    [row] = [row for row in table(README, "command") if row[0].strip("`").split()[0] == command]
    assert code(row[2]) == OPTIONS[command]


def test_run_has_a_table_of_all_its_options() -> None:
    """Each option of run has a row, its short form too, and there is none that it does not have."""
    found = [option for row in table(README, "option of `run`") for option in _OPTION.findall(row[0])]
    assert sorted(found) == sorted(OPTIONS["run"])


def test_what_may_stand_under_run_is_told() -> None:
    """The column for TOML manifests names each setting that [run] takes, beside the option of its name."""
    rows = table(README, "option of `run`")
    assert {key for row in rows for key in code(row[1])} == set(RUN_KEYS)
    for row in rows:
        for key in code(row[1]):
            assert _OPTION.findall(row[0])[0] == f"--{key.replace('_', '-')}"


def test_every_format_has_a_row() -> None:
    """docs/formats.md names each format and each listing that there is, and no other."""
    assert [row[0].strip("`") for row in table(FORMATS_PAGE, "format")] == [PEM, *FORMATS]
    rows = table(FORMATS_PAGE, "listing")
    assert [row[0].strip("`") for row in rows] == list(LISTINGS)
    for name, files, _ in rows:
        listing = LISTINGS[name.strip("`")]
        assert code(files) == {listing.name, *listing.static}


def test_exit_codes_are_those_of_the_errors() -> None:
    """The table has nought, and every code that an error of ``pipeline.errors`` ends in."""
    kinds = [getattr(errors, name) for name in errors.__all__]
    assert {int(row[0]) for row in table(README, "exit code")} == {0} | {kind.exit_code for kind in kinds}


def test_the_columns_of_a_manifest_are_told() -> None:
    """Each field has a row with all its other names."""
    rows = [row for row in table(README, "field") if code(row[0])]
    told = {row[0].strip("`"): code(row[0]) | code(row[1]) for row in rows}
    assert told == {field.value: set(names) for field, names in ALIASES.items()}


def test_the_events_of_json_are_told() -> None:
    """Each event has a row with the keys that the module which prints it gives."""
    listed = re.findall(r"^(\w+) {2,}(.+)$", events.__doc__ or "", re.MULTILINE)
    expected = {
        name: set(re.findall(r"[a-z]+", keys)) for name, keys in listed if name not in {"event", "summary"}
    }
    rows = {row[0].strip("`"): code(row[1]) for row in table(README, "`event`")}
    assert rows.pop("summary") == {"summary.json", "folder"}
    assert rows == expected


def test_the_permissions_shown_are_the_real_ones() -> None:
    """What the README shows of iam is what iam prints, to the letter."""
    [block] = re.findall(r"^```\n\$ thingmill iam\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    command = [sys.executable, "-m", "pipeline", "iam"]
    assert block == subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_quotas_are_those_of_the_table() -> None:
    """The calls per second in the README are the defaults, and so is the time that 10,000 devices take."""
    for operation, large, small in table(README, "operation"):
        assert DEFAULTS[operation.strip("`")] == (float(large), float(small))
    assert f"at least {math.ceil(10_000 / DEFAULTS['CreateCertificateFromCsr'][0])} s" in " ".join(README.split())


def test_the_faults_shown_are_the_real_ones() -> None:
    """What the README quotes of check is what check says: these lines, in this order, around what is left out."""
    command = "thingmill check manifests/faulty.csv"
    [block] = re.findall(rf"^```\n\$ {command}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *command.split()[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    real = done.stdout.splitlines() + done.stderr.splitlines()
    pieces = [piece.strip("\n").splitlines() for piece in block.split("…\n")]
    position = 0
    for piece in pieces:
        begin = real.index(piece[0], position)
        assert real[begin : begin + len(piece)] == piece
        position = begin + len(piece)
    assert real[: len(pieces[0])] == pieces[0]
    assert position == len(real)
    assert done.returncode == errors.ManifestError.exit_code


@pytest.mark.parametrize("document", sorted(DOCUMENTS))
def test_links_lead_somewhere(document: str) -> None:
    """Every link to a file of the project, and every picture, is there."""
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", DOCUMENTS[document]) if "://" not in target]
    missing = [
        target for target in targets if not (ROOT / document).parent.joinpath(target.split("#")[0]).exists()
    ]
    assert missing == []


def test_each_promise_names_tests_that_exist() -> None:
    """Each test that docs/issuance.md names is a function of that file, and a ticked promise names one."""
    for mark, promise, tests in table(ISSUANCE, ""):
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", tests)
        assert named or mark == "[ ]", promise
        assert len(named) == tests.count("::")
        for path, name in named:
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            functions = {
                node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            assert name in functions, f"{path}::{name}"


def test_the_changelog_has_this_version() -> None:
    """The newest entry of the changelog is for the version that the package says."""
    newest = re.search(r"^## (.+)$", DOCUMENTS["CHANGELOG.md"], re.MULTILINE)
    assert newest is not None
    assert re.search(rf"(?<![\d.]){re.escape(__version__)}(?![\d.])", newest.group(1))


def test_there_is_a_picture_on_the_first_screen() -> None:
    """The README shows a picture before its first section, and says in words what is in it."""
    first = README.split("\n## ")[0]
    pictures = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", first)
    assert pictures
    assert all(len(words.split()) > 5 and (ROOT / path) in PICTURES for words, path in pictures)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_loads_nothing(picture: Path) -> None:
    """No font, script, style or image comes from elsewhere: the only addresses are names of XML namespaces."""
    svg = picture.read_text(encoding="utf-8")
    rest = re.sub(r"""\sxmlns(?::\w+)?=("[^"]*"|'[^']*')""", "", svg)
    assert re.findall(r"(?i)https?:|//\w|@import|@font-face|<script|<image|\burl\((?!#)", rest) == []
