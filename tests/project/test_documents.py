"""The documents as such: links that lead somewhere, names that exist, lines that can be read, whole pictures."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING

import pytest
import typer

from pipeline import __version__
from pipeline.cli.app import app, load_commands
from tests.project.documents import DOCUMENTS, GENERATED, anchors, block, links, prose, table
from tests.project.sources import ROOT, syntax
from tests.project.test_layers import LAYERS

if TYPE_CHECKING:
    from pathlib import Path

README = DOCUMENTS["README.md"]
LONGEST = 120
PICTURES = sorted([*(ROOT / "docs").glob("*.svg"), *(ROOT / "docs").glob("*.png")])

_NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
_NAMED_PATH = re.compile(r"`((?:pipeline|tests|benchmarks|docs|manifests)/[\w./-]+)`")


def options_of_commands() -> dict[str, set[str]]:
    """Return every option of every command, long and short, from the application itself."""
    load_commands()
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return {
        name: {option for parameter in command.params for option in parameter.opts if option.startswith("-")}
        for name, command in group.commands.items()
    }


OPTIONS = options_of_commands()


@cache
def functions_in(path: Path) -> set[str]:
    """Return the names of all functions of a file."""
    nodes = ast.walk(syntax(path))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("document", sorted(DOCUMENTS))
def test_links_lead_somewhere(document: str) -> None:
    """Every link to a file of the project, and every picture, is there, and so is the heading that it names."""
    lost = []
    for target in links(DOCUMENTS[document]):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (ROOT / document).parent.joinpath(path).resolve() if path else ROOT / document
        name = found.relative_to(ROOT).as_posix() if found.is_relative_to(ROOT) else ""
        if not name or not found.exists() or (anchor and anchor not in anchors(DOCUMENTS.get(name, ""))):
            lost.append(target)
    assert lost == []


def test_every_document_is_reached_from_the_readme() -> None:
    """Whoever follows links from the README comes to each document."""
    reached, waiting = set(), ["README.md"]
    while waiting:
        document = waiting.pop()
        reached.add(document)
        for target in links(DOCUMENTS[document]):
            path = (ROOT / document).parent.joinpath(target.partition("#")[0]).resolve()
            name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
            waiting += [name] if name in DOCUMENTS.keys() - reached else []
    assert sorted(DOCUMENTS.keys() - reached) == []


@pytest.mark.parametrize("document", sorted(DOCUMENTS.keys() - GENERATED))
def test_no_line_is_too_long_to_read(document: str) -> None:
    """Outside of tables, of code, and of links alone on a line, a line has 120 characters at most."""
    lines = prose(DOCUMENTS[document])
    long = [(number, line) for number, line in lines if len(line) > LONGEST and not line.startswith("|")]
    assert [number for number, line in long if not re.fullmatch(r"\S*\]\(\S+\)\S*", line.strip())] == []


@pytest.mark.parametrize("document", sorted(DOCUMENTS.keys() - GENERATED))
def test_what_documents_name_exists(document: str) -> None:
    """Each file and folder of the project between backticks is there, and so is each test that is named in it."""
    text = re.sub(r"^```.*?^```$", "", DOCUMENTS[document], flags=re.MULTILINE | re.DOTALL)
    missing = [path for path in _NAMED_PATH.findall(text) if not (ROOT / path).exists()]
    missing += [
        f"{path}::{test}"
        for path, test in _NAMED_TEST.findall(text)
        if test and (not (ROOT / path).is_file() or test not in functions_in(ROOT / path))
    ]
    assert missing == []


def test_each_promise_names_tests() -> None:
    """Each promise of docs/issuance.md that is ticked names a test, and nothing else has the look of one."""
    for mark, promise, tests in table(DOCUMENTS["docs/issuance.md"], ""):
        named = [test for _, test in _NAMED_TEST.findall(tests) if test]
        assert named or mark == "[ ]", promise
        assert len(named) == tests.count("::")


def test_each_claim_on_security_names_what_keeps_it() -> None:
    """Each row of the tables of docs/security.md has a module of the package, and a test."""
    rows = [line for _, line in prose(DOCUMENTS["docs/security.md"]) if line.startswith("|") and "`" in line]
    assert len(rows) > 30
    for row in rows:
        _, keeper, tests = row.strip("| ").split(" | ")
        assert keeper.startswith("`pipeline/"), row
        assert tests.startswith("`tests/"), row
        assert "::test_" in tests, row


def test_the_map_is_that_of_the_layers() -> None:
    """CONTRIBUTING.md has every package below ``pipeline`` in the order of the layers, and nothing else."""
    lines = block(DOCUMENTS["CONTRIBUTING.md"], "# from the bottom up").splitlines()
    told = [line.split()[0] for line in lines if line]
    ranks = {name: number for number, layer in enumerate(LAYERS) for name in layer.split()}
    assert [name for name in told if name not in ranks] == []
    assert [ranks[name] for name in told] == sorted(ranks[name] for name in set(told))
    assert {path.parent.name for path in (ROOT / "pipeline").glob("*/__init__.py")} <= set(told)


def test_the_changelog_has_this_version() -> None:
    """The newest entry of the changelog is for the version that the package says."""
    newest = re.search(r"^## (.+)$", DOCUMENTS["CHANGELOG.md"], re.MULTILINE)
    assert newest is not None
    assert re.search(rf"(?<![\d.]){re.escape(__version__)}(?![\d.])", newest.group(1))


def test_there_is_a_picture_on_the_first_screen() -> None:
    """The README shows a picture before its first section, and says in words what is in each."""
    first = README.split("\n## ")[0]
    pictures = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", first)
    assert pictures
    assert all(len(words.split()) > 5 and (ROOT / path) in PICTURES for words, path in pictures)


def test_the_readme_is_short() -> None:
    """What a newcomer reads has one screen to decide by, and 170 lines at most; all the rest is in docs/."""
    assert len(README.splitlines()) <= 170


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_loads_nothing(picture: Path) -> None:
    """No font, script, style or image comes from elsewhere: the only addresses are names of XML namespaces."""
    if picture.suffix == ".png":
        assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        return
    svg = picture.read_text(encoding="utf-8")
    rest = re.sub(r"""\sxmlns(?::\w+)?=("[^"]*"|'[^']*')""", "", svg)
    assert re.findall(r"(?i)https?:|//\w|@import|@font-face|<script|<image|\burl\((?!#)", rest) == []
