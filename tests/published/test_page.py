"""docs/json.md: its examples are as the schemas say, and its Python holds real output against them."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.project.documents import DOCUMENTS
from tests.project.sources import ROOT
from tests.published.schemas import COMMANDS, EVENTS, KINDS, closed, lines_of, takes, validator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.published.streams import Stream

pytestmark = pytest.mark.xdist_group("published")

PAGE = DOCUMENTS["docs/json.md"]
EXAMPLES = {
    command: lines.splitlines()
    for command, lines in re.findall(r"^`(\w+)`[^\n]*:\n\n```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
CUT = ", …}"


def takes_part(kind: str, part: dict[str, Any]) -> bool:
    """Return whether an object of a kind may have these keys with these values, and others besides."""
    loose = copy.deepcopy(closed(EVENTS)["$defs"][kind])
    loose.pop("required")
    if kind == "summary":
        return part.keys() <= {"event", "version"}  # the rest is the document's
    return validator(f"{EVENTS}#/$defs/{kind}", instead={f"{EVENTS}#/$defs/{kind}": loose}).is_valid(part)


def test_each_stream_has_an_example() -> None:
    """There is one for every command with --json, and all of the page's JSON is one."""
    assert list(EXAMPLES) == COMMANDS
    assert PAGE.count("```json") == len(EXAMPLES)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_example_is_as_it_is_published(command: str) -> None:
    """Each line has the keys that are described and no other; where one is cut, what is there is right."""
    for line in EXAMPLES[command]:
        if line.endswith(CUT):
            part = json.loads(line.removesuffix(CUT) + "}")
            assert any(takes_part(kind, part) for kind in KINDS[command]), line
        else:
            assert takes(lines_of(command), json.loads(line)), line


def test_the_python_of_the_page_holds_output_against_the_schemas(told: dict[str, Stream], tmp_path: Path) -> None:
    """Both pieces take what was really written, and refuse what lacks a key."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    summary = tmp_path / "output" / "demo" / "summary.json"
    summary.parent.mkdir(parents=True)
    stream = told["a run of which some fail"]
    first, *_ = stream.lines
    for document, begin, code in (
        (stream.documents[0], first, 0),
        (stream.documents[0] | {"version": "1"}, first, 1),
        (stream.documents[0], first | {"devices": None}, 1),
    ):
        summary.write_text(json.dumps(document), encoding="utf-8")
        pieces = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        assert len(pieces) == 2
        program = "\n".join([f"line = {json.dumps(begin)!r}", *pieces])
        ended = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert ended.returncode == code, ended.stderr
        assert "ValidationError" in ended.stderr or not code
