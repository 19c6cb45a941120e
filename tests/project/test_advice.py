"""Errors that a user meets say what to do, wherever in the source they are raised."""

from __future__ import annotations

import ast

import pytest

from pipeline import errors
from tests.project.sources import calls_in, modules

KINDS = {name for name in errors.__all__ if name != "ManifestError"}
"""A ``ManifestError`` has its advice from its class."""

WITHOUT = {
    ("pipeline.files", "is no name of a file in"): "a fault of the program, which nobody can do anything about",
    ("pipeline.preflight.machine", "has mode"): "caught by whoever tries the file system out, who advises",
    ("pipeline.run", "''"): "asked for its exit code, and never shown",
}
"""Where an error needs no advice: in which module, a part of its message as the source has it, and why."""


def bare(module: str) -> list[ast.Call]:
    """Return the calls in a module that make an error which says nothing of what to do."""
    return [
        call
        for call in calls_in(module)
        if ast.unparse(call.func).rpartition(".")[2] in KINDS
        and not any(keyword.arg == "advice" and ast.unparse(keyword.value) != "''" for keyword in call.keywords)
    ]


def allowed(module: str, call: ast.Call) -> bool:
    said = ast.unparse(call)
    return any(module == place and part in said for place, part in WITHOUT)


@pytest.mark.parametrize("module", sorted(modules()))
def test_every_error_says_what_to_do(module: str) -> None:
    """An error is raised with advice, but for the few that ``WITHOUT`` gives a reason for."""
    assert [ast.unparse(call) for call in bare(module) if not allowed(module, call)] == []


def test_no_exception_is_left_over() -> None:
    """Each exception that is granted above is one that some error needs."""
    for place, part in WITHOUT:
        assert any(part in ast.unparse(call) for call in bare(place)), (place, part)


def test_no_complaint_of_the_command_line_goes_past_the_errors() -> None:
    """What a command refuses is one of ``pipeline.errors``: typer's own complaints have no place for advice."""
    raised = {
        module
        for module in modules()
        for call in calls_in(module)
        if ast.unparse(call.func) in {"typer.BadParameter", "click.BadParameter", "click.UsageError"}
    }
    assert raised <= {"pipeline.cli.presentation"}
