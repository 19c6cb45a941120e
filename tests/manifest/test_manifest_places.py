"""Whatever is wrong with a file as such is named with its place, and reading goes on after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ManifestError
from pipeline.manifest import load
from pipeline.settings import Defaults
from tests.manifest.manifest_reading import faults_in, faults_on_stdin, write

if TYPE_CHECKING:
    from pathlib import Path

_BAD = "a b"  # a thing name with a space: a fault of its own on a later line shows that reading went on


def _places(faults: list[str]) -> list[str]:
    return [":".join(fault.split(":")[1:3]) for fault in faults]


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.txt", "m.jsonl"])
def test_not_utf8(tmp_path: Path, name: str) -> None:
    """Bytes that are not UTF-8 are a fault at their character, and the lines after them are read."""
    head = {"m.csv": b"id,site\n", "m.tsv": b"id\tsite\n"}.get(name, b"\n")
    ok, bad = {
        "m.csv": (b"\xc3\xa9,\xff\n", b"a b,\n"),
        "m.tsv": (b"\xc3\xa9\t\xff\n", b"a b\t\n"),
        "m.txt": (b"\xc3\xa9 \xff\n", b"a b\n"),
        "m.jsonl": (b"\xc3\xa9 \xff\n", b'{"id":"a b"}\n'),
    }[name]
    faults = faults_in(write(tmp_path, name, head + ok + bad))
    assert faults[0] == f"{name}:2:3: byte 0xff is not UTF-8; save the file as UTF-8"
    assert _places(faults) == ["2:3", "3:7" if name == "m.jsonl" else "3:1"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf16(tmp_path: Path, encoding: str) -> None:
    """A file that begins with a UTF-16 byte order mark is told apart from one with a few bad bytes."""
    content = "\ufeff" * (encoding != "utf-16") + "id\na\n"
    assert faults_in(write(tmp_path, "m.csv", content.encode(encoding))) == [
        "m.csv:1:1: this file is UTF-16; save it as UTF-8"
    ]


def test_nul(tmp_path: Path) -> None:
    """NUL bytes are shown as what they are."""
    (fault,) = faults_in(write(tmp_path, "m.csv", b"id\na\0b\n"))
    assert fault.startswith(r"m.csv:2:1: thing name 'a\x00b' holds '\x00' at character 2;")


@pytest.mark.parametrize("content", ['id,cn\na,"b\nc,d\na b,e\n', 'id,cn\na,"b\nc,d\na b,e\n' + "x,y\n" * 50_000])
def test_unclosed_quote(tmp_path: Path, content: str) -> None:
    """A quote that is never closed is a fault where it opens, and what follows is read as rows."""
    faults = faults_in(write(tmp_path, "m.csv", content))
    assert faults[0] == "m.csv:2:3: this quote is never closed"
    assert _places(faults)[1] == "4:1"


def test_quotes(tmp_path: Path) -> None:
    """Text beside a quoted cell and quotes in an unquoted one are faults, where csv readers often guess."""
    path = write(tmp_path, "m.csv", 'id,cn\na,"b"c\nd,5" pipe\na b,\n')
    faults = faults_in(path)
    assert _places(faults) == ["2:6", "3:3", "4:1"]
    assert faults[0].endswith('text follows the closing quote; a quote inside a quoted cell is written ""')
    assert "'5\" pipe' holds a quote without being quoted" in faults[1]


def test_cells_too_few_and_too_many(tmp_path: Path) -> None:
    """A row with other than the header's number of cells is a fault where the difference begins."""
    assert faults_in(write(tmp_path, "m.csv", "id,cn,site\na,b\nc,d,e,f,g\nh,,\n")) == [
        "m.csv:2:4: the row has 2 cells, the header 3; it ends before 'site'",
        "m.csv:3:7: the row has 5 cells, the header 3; the extra ones begin here",
    ]


def test_cells_after_line_ends(tmp_path: Path) -> None:
    """The place of a cell counts the lines within the quoted cells before it, and characters, not bytes."""
    path = write(tmp_path, "m.csv", 'id,"c\nn",site\n"a","é\nü", x\nb,\u00e9\u00e9,\u00e9\n')
    faults = faults_in(path)
    assert _places(faults) == ["1:4", "4:4", "5:6"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"id": "a"', "1:11: this is not JSON: Expecting ',' delimiter"),
        ('{"id": "a",}', "1:12: this is not JSON: "),
        ('{"id": "a"} x', "1:13: this is not JSON: Extra data"),
        ('{"id": NaN}', "1:1: this is not JSON: NaN is not JSON"),
        ("[" * 100_000, "1:1: this JSON is nested too deeply"),
        ('  ["a"]', '1:3: a line is one JSON object: {"thing_name": "…"}'),
        ('{"id": ["a"]}', "1:8: 'id' is a list; it takes text"),
        ('{"id": true}', "1:8: 'id' is true; it takes text"),
        ('{"id": "a", "group": [true]}', "1:22: 'group' is a list; it takes text or a list of texts"),
        ('{"id": "a", "x": {"y": 1}}', "1:18: 'x' is an object; it takes text"),
        ('{"id": "a", "attributes": "x"}', "1:27: 'attributes' is text; it takes an object of attributes"),
        ('{"id": "a", "attributes": {"x": ["y"]}}', "1:33: 'x' is a list; it takes text"),
    ],
)
def test_json(tmp_path: Path, line: str, fault: str) -> None:
    """JSON that is broken or of a shape with no meaning is a fault at its character."""
    faults = faults_in(write(tmp_path, "m.jsonl", f'{line}\n{{"id": "{_BAD}"}}\n'))
    assert _places(faults) == [fault.split(": ", maxsplit=1)[0], "2:8"]
    assert faults[0].startswith(f"m.jsonl:{fault}")


def test_long_line(tmp_path: Path) -> None:
    """A line without an end is a fault, and is never held in memory."""
    faults = faults_in(write(tmp_path, "m.txt", "a" * 500_000 + "\na b\n"))
    assert faults[0] == "m.txt:1:1: this line is longer than 131,072 bytes, more than any row can need"
    assert _places(faults) == ["1:1", "2:1"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.txt", "# none\n"),
        ("m.csv", ""),
        ("m.csv", "id,site\n"),
        ("m.jsonl", "\n"),
        ("m.toml", '[run]\nname = "x"\n'),
    ],
)
def test_no_thing(tmp_path: Path, name: str, content: str) -> None:
    """A manifest that names no thing is a fault."""
    assert faults_in(write(tmp_path, name, content)) == [f"{name}:1:1: there is no thing in this manifest"]


def test_standard_input_is_named() -> None:
    """Faults on standard input are named with a dash, as the command line has it."""
    (fault,) = faults_on_stdin(b"id\na b\n")
    assert fault.startswith("-:2:1: thing name 'a b' holds ' '")


def test_hundred_and_the_rest(tmp_path: Path) -> None:
    """All faults are counted, and the first hundred of them are kept in the order of their place."""
    path = write(tmp_path, "m.txt", "same\n" + "SAME\na b\n" * 1250)
    with pytest.raises(ManifestError) as caught:
        load(str(path), Defaults())
    assert caught.value.total == 2500
    assert [fault.line for fault in caught.value.faults] == list(range(2, 102))
    assert "2,500 faults" in str(caught.value)


def test_hostile_text(tmp_path: Path) -> None:
    """A fault never carries an escape sequence to the terminal."""
    (fault,) = faults_in(write(tmp_path, "m.csv", "id\n\x1b]52;c;AAAA\x07\n"))
    assert fault.isprintable()
    assert r"\x1b]52" in fault
