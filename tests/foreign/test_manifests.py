"""Hostile manifests of every format: each ends in faults that can be printed, or in devices."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ManifestError
from pipeline.manifest import load
from pipeline.settings import Defaults
from tests.foreign.hostile import CORPUS, HUGE, acting_in, hostile_texts, objects_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.device import Device
    from pipeline.manifest import Fault
    from tests.foreign.stage import Desk

Row = dict[str, str]


def as_delimited(delimiter: str) -> Callable[[list[Row]], str]:
    def write(rows: list[Row]) -> str:
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer.writerow(names)
        writer.writerows([row.get(name, "") for name in names] for row in rows)
        return out.getvalue()

    return write


def as_json(rows: list[Row]) -> str:
    return "".join(json.dumps(row, ensure_ascii=number % 2 == 0) + "\n" for number, row in enumerate(rows))


def as_toml(rows: list[Row]) -> str:
    # A JSON string is a TOML basic string but for DEL, which TOML wants escaped, and for halves of pairs.
    def text(value: str) -> str:
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

    return "".join(
        "[[thing]]\n" + "".join(f"{text(name)} = {text(value)}\n" for name, value in row.items()) for row in rows
    )


WRITERS: dict[str, Callable[[list[Row]], str]] = {
    ".txt": lambda rows: "".join(f"{row.get('thing_name', '')}\n" for row in rows),
    ".csv": as_delimited(","),
    ".tsv": as_delimited("\t"),
    ".jsonl": as_json,
    ".toml": as_toml,
}

_fields = st.sampled_from(
    ["thing_name", "thing_type", "groups", "policy", "common_name", "csr", "billing_group", "site"]
)
_rows = st.lists(
    st.dictionaries(_fields | hostile_texts(2), hostile_texts(3), min_size=1, max_size=4), min_size=1, max_size=3
)


def read(path: Path) -> tuple[list[Device], tuple[Fault, ...]]:
    try:
        with load(str(path), Defaults()) as roster:
            return list(roster.devices()), ()
    except ManifestError as error:
        return [], error.faults


def seen(device: Device) -> list[str]:
    """Return all that a device is called by, and that reaches AWS, a certificate and files."""
    told = [device.thing_name, device.common_name, *device.groups, *device.attributes, *device.attributes.values()]
    return told + [text for text in (device.thing_type, device.billing_group, device.policy) if text]


@pytest.mark.parametrize("suffix", WRITERS)
@settings(max_examples=60)
@given(_rows)
def test_a_hostile_manifest_ends_in_harmless_faults(suffix: str, rows: list[Row]) -> None:
    """No cell and no header reaches a fault as it is, and none that is hidden reaches a device."""
    content = WRITERS[suffix](rows).encode("utf-8", "surrogatepass")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"m{suffix}"
        path.write_bytes(content)
        devices, faults = read(path)
    for fault in faults:
        assert acting_in(str(fault)) == []
        assert "\n" not in str(fault)
        assert len(str(fault)) < 10_000
    for device in devices:
        assert acting_in("".join(seen(device))) == []


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("as_json", [False, True])
def test_check_says_so_harmlessly(desk: Desk, suffix: str, as_json: bool) -> None:
    """``check`` ends with code 2 on a manifest of all there is, and neither its lines nor its JSON do anything."""
    rows = [{"thing_name": text, "common_name": text, "groups": text, text: text} for text in CORPUS.values()]
    content = WRITERS[suffix](rows if suffix in {".jsonl", ".toml"} else rows[:1] + rows).encode(
        "utf-8", "replace"
    )
    name = desk.write(f"lot{suffix}", content)
    ended = desk.call("check", name, *(["--json"] if as_json else []))
    assert ended.code == 2
    assert acting_in(ended.out) == []
    assert acting_in(ended.err) == []
    if as_json:
        assert {"event", "file", "line", "column", "reason"} == set(objects_of(ended.out)[0])


@pytest.mark.parametrize(
    "name", ["lot\x1b]52;c;ZXZpbA==\x07\u202e[bold].csv", b"lot\xff\xfe.csv".decode("utf-8", "surrogateescape")]
)
def test_the_name_of_a_file_acts_on_nothing(desk: Desk, name: str) -> None:
    """Names of manifests, also those that are not UTF-8, are printed with what they do made visible."""
    desk.write(name, "id\nno good\n")
    for words in (
        ["check", name],
        ["check", name, "--json"],
        ["run", name, "--name", "lot"],
        ["run", name],
        ["plan", name],
    ):
        ended = desk.call(*words)
        assert ended.code == 2
        assert acting_in(ended.out + ended.err) == []
    ended = desk.call("check", "gone-" + name)
    assert acting_in(ended.err) == []


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_megabyte_in_a_cell_is_a_short_fault(desk: Desk, suffix: str) -> None:
    """A cell, a header or a file of a megabyte without a line end is named in a sentence and not repeated."""
    rows = [{"thing_name": HUGE, "site": "x"}, {"thing_name": "pump-1", HUGE: HUGE}]
    name = desk.write(f"lot{suffix}", WRITERS[suffix](rows))
    ended = desk.call("check", name)
    assert ended.code == 2
    assert len(ended.out) < 20_000
    assert acting_in(ended.out) == []


MANY = 18_000
TROUBLES = {
    ".csv": "id,"
    + ",".join(f"a{number}" for number in range(MANY))
    + "\nx,"
    + ",".join("!" for _ in range(MANY))
    + "\n",
    ".tsv": 'id\ta\nx\t"a\n' + '"\t"\n' * 3 * MANY,
    ".jsonl": "{" + ",".join('"id":1' for _ in range(MANY)) + "}\n",
    ".ndjson": '{"id":"x","groups":[' + ",".join(f'"{number % 9000}"' for number in range(MANY)) + "]}\n",
    ".txt": "\n".join("!" for _ in range(5 * MANY)),
    ".toml": "[[thing]]\nid = 'x'\n" + "".join(f"a{number} = ' '\n" for number in range(MANY // 2)),
    "-keys.toml": "a" + ".a" * 60_000 + " = 1\n",
    "-quotes.toml": 'a = "' + '\\"' * 60_000 + "\n",
    "-run.toml": "[run]\n" + "".join(f"a{number} = 1\n" for number in range(MANY // 2)),
}


@pytest.mark.parametrize("suffix", TROUBLES)
def test_ten_thousands_of_faults_take_no_longer_for_being_in_one_row(tmp_path: Path, suffix: str) -> None:
    """Faults in each of many cells are found within this test's time limit, which squared work would exceed."""
    path = tmp_path / f"lot{suffix}"
    path.write_text(TROUBLES[suffix], encoding="ascii")
    _, faults = read(path)
    assert 1 <= len(faults) <= 100
