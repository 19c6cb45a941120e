"""Habits of this code that no linter holds: docstrings of tests, failpoints, examples, and what is not in it."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from typing import TYPE_CHECKING

import pytest

from pipeline import failpoints
from tests.project.sources import ROOT, calls_in, modules, project_files, syntax

if TYPE_CHECKING:
    from pathlib import Path

TESTS = [path for path in project_files() if path.is_relative_to(ROOT / "tests") and path.name.startswith("test_")]
WITH_EXAMPLES = sorted(name for name, path in modules().items() if ">>> " in path.read_text(encoding="utf-8"))
TEXTS = [path for path in project_files() if path.suffix not in {".db", ".gz", ".ico", ".png", ".pyc"}]

_SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z])")


def functions_of(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return the test functions of a file, those in classes too."""
    nodes = (node for node in ast.walk(syntax(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [node for node in nodes if node.name.startswith("test_")]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_test_says_in_one_sentence_what_it_holds() -> None:
    """A test's docstring is one sentence that ends with a full stop, without exception."""
    faults = []
    for path in TESTS:
        for test in functions_of(path):
            words = " ".join((ast.get_docstring(test) or "").split())
            if not words.endswith(".") or _SENTENCE_END.search(words):
                faults.append(f"{relative(path)}:{test.lineno}: {words or 'no docstring'}")
    assert faults == []


def test_no_two_tests_of_a_file_share_a_name() -> None:
    """A second test of one name would silently take the place of the first."""
    for path in TESTS:
        names = [test.name for test in functions_of(path)]
        assert sorted(set(names)) == sorted(names)


def failpoints_in_use() -> set[str]:
    """Return the names that ``failpoints.hit`` is called with; one that is put together counts by its end."""
    used: set[str] = set()
    for module in modules():
        for call in calls_in(module):
            if ast.unparse(call.func) != "failpoints.hit":
                continue
            [name] = call.args
            if isinstance(name, ast.Constant):
                used.add(str(name.value))
            else:
                assert isinstance(name, ast.JoinedStr)
                end = ast.unparse(name).strip("f'\"").rpartition("}")[2]
                used |= {known for known in failpoints.NAMES if known.endswith(end)}
    return used


def test_every_failpoint_is_passed_somewhere_and_known() -> None:
    """A name that no code passes would make a kill test hold nothing, and so would one that cannot be armed."""
    assert failpoints_in_use() == set(failpoints.NAMES)
    assert len(failpoints.NAMES) == len(set(failpoints.NAMES))


@pytest.mark.parametrize(
    "module", sorted(name for name, path in modules().items() if ">>> " in path.read_text("utf-8"))
)
def test_examples_in_docstrings_are_true(module: str) -> None:
    """What a docstring shows is what happens."""
    results = doctest.testmod(importlib.import_module(module))
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("module", sorted(modules()))
def test_every_module_says_its_job(module: str) -> None:
    """The first line of a file is a sentence about its one job."""
    words = ast.get_docstring(syntax(modules()[module])) or ""
    assert words.split("\n\n")[0].rstrip().endswith((".", ":"))


# Written so that this file does not hold what it looks for.
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w./-])/(?:work|home|root|Users)/\w"),
    "the host of a package registry": re.compile(r"\b(?:pypi[.]org|pythonhosted[.]org|npmjs[.]com)\b"),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}"),
}


def test_nothing_in_the_project_belongs_to_one_machine() -> None:
    """No absolute path, no registry host and no credential is in any file."""
    found = []
    for path in TEXTS:
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{relative(path)}: {what}" for what, pattern in FORBIDDEN.items() if pattern.search(text)]
    assert found == []


def test_nobody_but_the_command_line_prints() -> None:
    """The core knows no screen: it tells a meter, and ``cli`` and ``progress`` show."""
    printing = {module for module in modules() for call in calls_in(module) if ast.unparse(call.func) == "print"}
    assert printing <= {module for module in printing if module.split(".")[1] in {"cli", "progress"}}
