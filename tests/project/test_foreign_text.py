"""Where text can reach a screen or a file that programs read: few places, each of which makes it harmless."""

from __future__ import annotations

import ast

import pytest

from tests.project.sources import calls_in, modules

TERMINAL = sorted(name for name in modules() if name.split(".")[1:2] in (["cli"], ["progress"]))


def keywords_of(call: ast.Call) -> dict[str, str]:
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg is not None}


@pytest.mark.parametrize("module", TERMINAL)
def test_the_command_line_prints_in_one_place(module: str) -> None:
    """Only ``cli.saying`` calls typer's echo or writes to a standard stream, so that no line is forgotten."""
    if module == "pipeline.cli.saying":
        return
    names = {ast.unparse(call.func) for call in calls_in(module)}
    assert names.isdisjoint({"typer.echo", "typer.secho", "sys.stdout.write", "sys.stderr.write"})
    if module.startswith("pipeline.cli"):
        assert "print" not in names


@pytest.mark.parametrize("module", TERMINAL)
def test_rich_never_reads_markup_in_text(module: str) -> None:
    """Each console takes text as it is: no [bold], no :emoji: and no colours for what looks like a number."""
    for call in calls_in(module):
        if ast.unparse(call.func) == "Console":
            said = keywords_of(call)
            assert {said.get(name) for name in ("markup", "emoji", "highlight")} == {"False"}


def test_json_is_ascii_wherever_text_was_not_made_printable_before() -> None:
    """Only the summary, whose texts have passed ``printable``, is written in UTF-8; policies are measured so."""
    found = {
        module
        for module in modules()
        for call in calls_in(module)
        if ast.unparse(call.func).startswith("json.dump") and keywords_of(call).get("ensure_ascii") == "False"
    }
    assert found <= {"pipeline.report.summary_json", "pipeline.device_policy"}


def test_no_error_is_quoted_with_its_locals() -> None:
    """No traceback shows local variables, which may be anything: rich's and typer's pretty ones are not used."""
    for module in modules():
        for call in calls_in(module):
            assert ast.unparse(call.func).rpartition(".")[2] not in {
                "install",
                "print_exception",
            } or "rich" not in (ast.unparse(call.func))
            assert keywords_of(call).get("capture_locals", "False") == "False"
            assert keywords_of(call).get("pretty_exceptions_show_locals", "False") == "False"
