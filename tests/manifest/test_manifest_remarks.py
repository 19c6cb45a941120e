"""The columns that ``failed.csv`` has for people: in any manifest they are passed over, and nothing else is."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.device import Device
from pipeline.manifest.columns import Remark
from tests.manifest.manifest_reading import devices_in, devices_on_stdin, faults_in, write

REMARKS = ("failed at step", "error code", "error message", "what to do")
_TEXTS = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    ["", "=1+1", '","', "a\nb\r\nc", 'said "no"\nand "yes"\n', "\x1b[2J", "\u202e", "x" * 9000]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def test_remarks_are_those_promised() -> None:
    """Their names are documented, and no attribute can be called so."""
    assert tuple(Remark) == REMARKS


@given(st.lists(st.lists(_TEXTS, min_size=4, max_size=4), min_size=1, max_size=4), st.sampled_from([",", "\t"]))
def test_cells_hold_anything(cells: list[list[str]], delimiter: str) -> None:
    """Remarks of any text, wherever their columns are, leave the devices as they would be without them."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow([*REMARKS[:2], "id", REMARKS[2], "site", REMARKS[3]])
    for number, (step, code, message, advice) in enumerate(cells):
        writer.writerow([step, code, f"thing-{number}", message, "north", advice])
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), "m.csv" if delimiter == "," else "m.tsv", out.getvalue())
        found = devices_in(path)
    assert [(device.thing_name, device.attributes) for device in found] == [
        (f"thing-{number}", {"site": "north"}) for number in range(len(cells))
    ]


@given(st.lists(_JSON, min_size=4, max_size=4), st.booleans())
def test_values_have_any_shape(values: list[object], nested: bool) -> None:
    """In JSON lines a remark may be of any shape that JSON has, where attributes stand alone and where not."""
    attributes: dict[str, object] = {"attributes": {"site": "north"}} if nested else {"site": "north"}
    line = json.dumps(dict(zip(REMARKS, values, strict=True)) | {"id": "one"} | attributes)
    with tempfile.TemporaryDirectory() as folder:
        assert devices_in(write(Path(folder), "m.jsonl", line)) == [
            Device("one", 1, "one", attributes={"site": "north"})
        ]


def test_toml_tables_may_have_them(tmp_path: Path) -> None:
    """In TOML, where such keys stand in quotes, a remark may be of any shape as well."""
    text = """
    [[thing]]
    id = "one"
    "failed at step" = 4
    "error code" = ["WrongKey", 1979-05-27]
    [thing."what to do"]
    first = "run again"
    """
    assert devices_in(write(tmp_path, "m.toml", text)) == [Device("one", 2, "one")]


def test_standard_input_may_have_them() -> None:
    """A list of failures comes through a pipe as well, and is known by its header."""
    content = f'id,{",".join(REMARKS)}\none,4,WrongKey,"no, not that",\n'.encode()
    assert devices_on_stdin(content) == [Device("one", 2, "one")]


@pytest.mark.parametrize(
    "header", ["error_code", "ErrorCode", "error-code", "errorcode", "failed_at_step", "WhatToDo", "code", "step"]
)
def test_what_resembles_a_remark_is_an_attribute(tmp_path: Path, header: str) -> None:
    """A name without blanks is an attribute's, beside a remark of the same letters too."""
    [device] = devices_in(write(tmp_path, "m.csv", f"id,error code,{header},what to do\na,b,c,d\n"))
    assert device.attributes == {header: "c"}


@pytest.mark.parametrize(
    ("header", "meant"),
    [("Error Code", "error code"), ("error  code", "error code"), ("WHAT TO DO", "what to do")],
)
def test_a_remark_of_another_spelling_is_a_fault(tmp_path: Path, header: str, meant: str) -> None:
    """It could be no attribute either, so it stays a fault, whose sentence says how a remark is written."""
    [fault] = faults_in(write(tmp_path, "m.csv", f"id,{header}\na,b\n"))
    assert fault.startswith(f"m.csv:1:4: attribute name '{header}' holds ' '")
    assert fault.endswith(f"; written '{meant}', the column is passed over")


def test_blanks_around_a_header_are_no_part_of_it(tmp_path: Path) -> None:
    """As with any column, a header may be padded, in JSON too."""
    assert devices_in(write(tmp_path, "m.csv", "id, error code ,site\na,b,c\n"))[0].attributes == {"site": "c"}
    assert devices_in(write(tmp_path, "m.jsonl", '{"id": "a", " error code": [1]}\n'))[0].attributes == {}


def test_an_attribute_given_as_one_is_never_a_remark(tmp_path: Path) -> None:
    """What stands under ``attributes`` is meant for the thing, so a name that it cannot have is a fault there."""
    [fault] = faults_in(write(tmp_path, "m.jsonl", '{"id": "a", "attributes": {"error code": "x"}}\n'))
    assert fault.startswith("m.jsonl:1:28: attribute name 'error code' holds ' '")
    assert "passed over" not in fault


def test_remarks_count_for_nothing(tmp_path: Path) -> None:
    """They are no attributes beyond the limit, twice the same is no clash, and one alone makes no row."""
    header = f"id,a,b,c,{','.join(REMARKS)},error code"
    [device] = devices_in(write(tmp_path, "m.csv", f"{header}\none,1,2,3,4,5,6,7,8\n,,,,,,,,\n"))
    assert device.attributes == {"a": "1", "b": "2", "c": "3"}
    [fault] = faults_in(write(tmp_path, "m.csv", f"{header}\n,,,,4,,,,\n"))
    assert fault.startswith("m.csv:2:1: thing name is empty")


def test_faults_behind_them_keep_their_place(tmp_path: Path) -> None:
    """A remark that goes over several lines moves no fault of the cells behind it, nor of the rows below."""
    text = 'error message,id,site\n"not, ""now""\nbut then",one,a b\nfine,t wo,x\n'
    assert [fault.split(" ")[0] for fault in faults_in(write(tmp_path, "m.csv", text))] == [
        "m.csv:3:15:",
        "m.csv:4:6:",
    ]
    line = '{"error message": {"a": [1, "}"]}, "id": "one", "site": "a b"}\n'
    assert [fault.split(" ")[0] for fault in faults_in(write(tmp_path, "m.jsonl", line))] == ["m.jsonl:1:57:"]
