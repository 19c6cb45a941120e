"""Every format gives the same devices for the same meaning, whatever program wrote it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pipeline.device import Device
from pipeline.errors import UsageError
from pipeline.manifest import load
from pipeline.settings import Defaults
from tests.manifest.manifest_reading import devices_in, devices_on_stdin, faults_in, write

if TYPE_CHECKING:
    from pathlib import Path

_PUMP = Device(
    "pump-1",
    line=2,
    common_name="pump-1.example",
    thing_type="Pump",
    groups=("hall-a", "pilot"),
    billing_group="north",
    policy="pump",
    attributes={"site": "Graz", "hw_rev": "1.10"},
)
_CSV = (
    "thing_name,common_name,thing_type,thing_groups,billing_group,policy,site,hw_rev\n"
    "pump-1,pump-1.example,Pump,hall-a;pilot,north,pump,Graz,1.10\n"
)
_JSON = (
    '{"thing_name": "pump-1", "common_name": "pump-1.example", "thing_type": "Pump", '
    '"thing_groups": ["hall-a", "pilot"], "billing_group": "north", "policy": "pump", '
    '"site": "Graz", "hw_rev": 1.10}'
)
_TOML = """
[[thing]]
thing_name = "pump-1"
common_name = "pump-1.example"
thing_type = "Pump"
thing_groups = ["hall-a", "pilot"]
billing_group = "north"
policy = "pump"
attributes = { site = "Graz", hw_rev = "1.10" }
"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.csv", _CSV),
        ("m.CSV", _CSV),
        ("m.tsv", _CSV.replace(",", "\t")),
        ("m.jsonl", "\n" + _JSON + "\n"),
        ("m.ndjson", "\n" + _JSON),
        ("m.toml", _TOML),
    ],
)
def test_formats_agree(tmp_path: Path, name: str, content: str) -> None:
    """A device that is written in any format comes back with every field it was given."""
    assert devices_in(write(tmp_path, name, content)) == [_PUMP]


def test_text_list(tmp_path: Path) -> None:
    """A text file holds a name a line; comments, blank lines and white space around a name are nothing."""
    path = write(tmp_path, "m.txt", "# lot 7\n  a:1 \n\n\tb_2 # spare\r\n#c\nd-3")
    assert [(device.thing_name, device.line) for device in devices_in(path)] == [
        ("a:1", 2),
        ("b_2", 4),
        ("d-3", 6),
    ]


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.txt", "m.jsonl", "m.toml"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_byte_order_mark_and_line_ends(tmp_path: Path, name: str, end: str) -> None:
    """A UTF-8 byte order mark and CRLF, as Windows programs leave them, change nothing."""
    lines = {
        "m.csv": ["thing_name,site", "a,x"],
        "m.tsv": ["thing_name\tsite", "a\tx"],
        "m.txt": ["", "a"],
        "m.jsonl": ["", '{"id": "a", "site": "x"}'],
        "m.toml": ["", "[[thing]]", 'id = "a"', 'site = "x"'],
    }[name]
    path = write(tmp_path, name, b"\xef\xbb\xbf" + (end.join(lines) + end).encode())
    attributes = {} if name == "m.txt" else {"site": "x"}
    assert devices_in(path) == [Device("a", line=2, common_name="a", attributes=attributes)]


def test_quoted_cells(tmp_path: Path) -> None:
    """A quoted cell may hold the delimiter, doubled quotes and line ends, and later rows keep their lines."""
    path = write(tmp_path, "m.csv", 'cn,"thing_name","site"\n"a ""b"", c","a","1,2"\n\n"d",e,\n')
    assert devices_in(path) == [
        Device("a", line=2, common_name='a "b", c', attributes={"site": "1,2"}),
        Device("e", line=4, common_name="d"),
    ]


@pytest.mark.parametrize("blank", ["", "   ", ",,", '"","",""'])
def test_blank_rows(tmp_path: Path, blank: str) -> None:
    """Blank rows are skipped, also those of nothing but delimiters that spreadsheets leave at the end."""
    path = write(tmp_path, "m.csv", f"{blank}\nname,site,cn\n{blank}\na,x,\n{blank}\n")
    assert [device.line for device in devices_in(path)] == [4]


def test_columns_in_any_order(tmp_path: Path) -> None:
    """The order of columns means nothing."""
    one = write(tmp_path, "one.csv", "site,thing_name,group\nx,a,g\n")
    other = write(tmp_path, "other.csv", "group,site,thing_name\ng,x,a\n")
    assert devices_in(one) == devices_in(other)


def test_bulk_registration_lines(tmp_path: Path) -> None:
    """Lines of AWS bulk registration are read as they are, the serial number as an attribute."""
    path = write(tmp_path, "m.jsonl", '{"ThingName": "foo", "SerialNumber": "123"}\n')
    assert devices_in(path) == [Device("foo", line=1, common_name="foo", attributes={"SerialNumber": "123"})]


def test_json_values(tmp_path: Path) -> None:
    """Numbers keep the text they were written in, true is text in an attribute, null is an absent value."""
    line = '{"id": 17, "a": 1.10, "b": true, "attributes": {"id": "x", "c": -2e3}, "d": null, "thing_type": "t"}'
    (device,) = devices_in(write(tmp_path, "m.jsonl", line))
    assert device.thing_name == "17"
    assert device.attributes == {"a": "1.10", "b": "true", "id": "x", "c": "-2e3"}


@pytest.mark.parametrize("groups", ['"g1;g2"', '"g1; g2;"', '["g1", "g2"]'])
def test_json_groups(tmp_path: Path, groups: str) -> None:
    """Thing groups are a list, or text with semicolons as in a CSV cell."""
    (device,) = devices_in(write(tmp_path, "m.jsonl", f'{{"name": "a", "groups": {groups}}}'))
    assert device.groups == ("g1", "g2")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'\n {"name": "a"}\n', ["a"]),
        (b"name\ta\nx\ty\n", ["x"]),
        (b"site,thing_name\ny,x\n", ["x"]),
        (b'"Thing-Name"\nx\n', ["x"]),
        (b"\xef\xbb\xbfdevice_id\r\nx\r\n", ["x"]),
        (b"pump-1\npump-2\n", ["pump-1", "pump-2"]),
        (b"# name, list\nid\n", ["id"]),
    ],
)
def test_standard_input(content: bytes, expected: list[str]) -> None:
    """What comes on standard input tells its format by how it begins."""
    assert [device.thing_name for device in devices_on_stdin(content)] == expected


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere.csv", "cannot be read: No such file or directory"),
        ("m.xlsx", "is of no known format"),
        ("m", "is of no known format"),
        ("folder.csv", "cannot be read: Is a directory"),
        ("nul\0.csv", "cannot be read"),
    ],
)
def test_not_a_manifest(tmp_path: Path, name: str, reason: str) -> None:
    """A missing file and an unknown suffix are wrong usage, with a sentence that says which."""
    (tmp_path / "folder.csv").mkdir()
    write(tmp_path, "m.xlsx", b"PK")
    with pytest.raises(UsageError, match=reason):
        load(str(tmp_path / name), Defaults())


@pytest.mark.parametrize("count", [0, 1, 4001])
def test_progress(tmp_path: Path, count: int) -> None:
    """Progress grows up to all rows and all bytes, even where the manifest turns out to be faulty."""
    path = write(tmp_path, "m.jsonl", "".join(json.dumps({"id": f"t{n}"}) + "\n" for n in range(count)) + "{\n")
    calls: list[tuple[int, int, int | None]] = []
    with pytest.raises(Exception, match="1 fault"):
        load(str(path), Defaults(), progress=lambda *call: calls.append(call))
    size = path.stat().st_size
    assert calls == sorted(calls)
    assert calls[-1] == (count, size, size)
    assert len(calls) == 1 + count // 2000


@pytest.mark.parametrize(
    ("name", "header", "told"),
    [
        ("m.csv", "name;group;csr", "semicolons; save the file with commas, or tabs as .tsv"),
        ("m.csv", '"Thing Name";"hw rev"', "semicolons; save the file with commas, or tabs as .tsv"),
        ("m.csv", "name\tgroup", "tabs; save the file with commas, or tabs as .tsv"),
        ("m.tsv", "group,name", "commas; save the file with tabs, or commas as .csv"),
        ("m.tsv", "name;group", "semicolons; save the file with tabs, or commas as .csv"),
    ],
)
def test_another_separator_is_told_as_that(tmp_path: Path, name: str, header: str, told: str) -> None:
    """A spreadsheet's own separator is one fault that says what to do, and not one for each name it makes."""
    path = write(tmp_path, name, f"{header}\npump-1;hall-a\npump-2;hall-b\n")
    assert faults_in(path) == [f"{name}:1:1: the columns look separated by {told}"]


@pytest.mark.parametrize("header", ["name,group;x", "group;x", "name"])
def test_a_semicolon_alone_is_no_other_separator(tmp_path: Path, header: str) -> None:
    """Where the header has commas, or no column of the others would be a name, its faults are told as ever."""
    path = write(tmp_path, "m.csv", f"{header}\npump-1,\n")
    assert not any("look separated" in fault for fault in faults_in(path))
