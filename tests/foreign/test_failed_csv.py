"""``failed.csv``: a manifest that comes back as it was, and that no spreadsheet takes for anything but a table."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.device import Device
from pipeline.errors import DeviceError, ManifestError
from pipeline.manifest import load
from pipeline.manifest.names import common_name_fault
from pipeline.report.failed_csv import Columns, failed_csv
from pipeline.report.failed_jsonl import failed_jsonl
from pipeline.settings import Defaults
from tests.foreign.hostile import (
    CORPUS,
    HUGE,
    acting_in,
    cells_of,
    formulas_in,
    hostile_texts,
    objects_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = st.from_regex(r"[a-zA-Z0-9:_-]{1,20}", fullmatch=True)
POLICIES = st.from_regex(r"[a-zA-Z0-9_+=,.@-]{1,20}", fullmatch=True)
VALUES = st.from_regex(r"[a-zA-Z0-9_.,@/:#=\[\]-]{1,20}", fullmatch=True)
COMMON_NAMES = hostile_texts(2).filter(lambda text: text.strip(" ;") and common_name_fault(text) is None)
HOSTILE = hostile_texts(3)
CALLS = re.compile(r"[()'\"!|\\$ ]")
"""What a formula needs to call a function, to name a sheet or a file, or to start a program."""


@st.composite
def devices(draw: st.DrawFn) -> list[Device]:
    """Devices that a manifest can have, with names that begin like formulas among them."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=str.lower))
    return [
        Device(
            name,
            line=line,
            common_name=draw(st.just(name) | COMMON_NAMES),
            thing_type=draw(NAMES),
            groups=tuple(draw(st.lists(NAMES, max_size=3, unique=True))),
            policy=draw(st.none() | POLICIES),
            attributes=draw(st.dictionaries(st.sampled_from(["@site", "-rev", "lot"]), VALUES, max_size=3)),
        )
        for line, name in enumerate(names, start=2)
    ]


@st.composite
def failures(draw: st.DrawFn) -> list[tuple[Device, DeviceError]]:
    """Such devices, with why they failed in the words of whoever refused them."""
    return [
        (device, DeviceError(draw(st.integers(1, 8)), draw(HOSTILE), draw(HOSTILE), advice=draw(HOSTILE)))
        for device in draw(devices())
    ]


def written(failed: Sequence[tuple[Device, DeviceError | None]]) -> bytes:
    return b"".join(failed_csv(failed, Columns.of(device for device, _ in failed)))


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@given(failed=failures())
def test_values_come_back_to_the_letter(form: str, failed: list[tuple[Device, DeviceError]]) -> None:
    """Devices come back equal, however their names and values begin and whatever is said of why they failed."""
    content = written(failed) if form == "csv" else b"".join(failed_jsonl(failed))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"failed.{form}"
        path.write_bytes(content)
        with load(str(path), Defaults()) as roster:
            first = 2 if form == "csv" else 1
            assert list(roster.devices()) == [
                replace(device, line=line) for line, (device, _) in enumerate(failed, start=first)
            ]


@given(devices())
def test_a_value_that_begins_like_a_formula_can_call_nothing(failed: list[Device]) -> None:
    """A cell that a spreadsheet takes for a formula has none of the characters by which one does harm."""
    for row in cells_of(written([(device, None) for device in failed])):
        assert acting_in("".join(row)) == []
        for cell in formulas_in(row):
            assert CALLS.search(cell) is None


@given(HOSTILE, HOSTILE, HOSTILE)
def test_what_is_said_of_a_failure_is_no_formula(code: str, message: str, advice: str) -> None:
    """No cell that says why a device failed begins a formula, acts on anything or ends its line."""
    one = Device("one", 2, "one")
    header, row = cells_of(written([(one, DeviceError(7, code, message, advice=advice))]))
    assert header == ["thing_name", "failed at step", "error code", "error message", "what to do"]
    assert row[:2] == ["one", "7"]
    assert formulas_in(row) == []
    assert acting_in("".join(row)) == []
    assert "\n" not in "".join(row)


@pytest.mark.parametrize("text", [*CORPUS.values(), HUGE], ids=[*CORPUS, "huge"])
def test_each_hostile_text_is_shown_and_read_over(text: str) -> None:
    """The list of failures stays a table, a row stays short, and what is read of it is the devices alone."""
    one = Device("one", 2, "one")
    failed = [(one, DeviceError(4, text, text, advice=text))]
    content = written(failed)
    assert len(content) < 20_000
    [_, row] = cells_of(content)
    assert formulas_in(row) == []
    assert acting_in(content.decode("utf-8")) == []
    [found] = objects_of(b"".join(failed_jsonl(failed)).decode("ascii"))
    assert acting_in("".join(map(str, found.values()))) == []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "failed.csv"
        path.write_bytes(content)
        with load(str(path), Defaults()) as roster:
            assert list(roster.devices()) == [one]


@given(hostile_texts(), hostile_texts())
def test_what_a_changed_ledger_says_is_made_harmless(name: str, value: str) -> None:
    """A cell that the manifest's rules would refuse begins no formula and acts on nothing."""
    changed = Device("one", 2, common_name=name, thing_type=value, groups=(name,), attributes={"site": value})
    for row in cells_of(written([(changed, None)])):
        assert acting_in("".join(row)) == []
        for cell in formulas_in(row):
            assert CALLS.search(cell) is None


def test_a_common_name_that_would_be_a_formula_is_no_common_name() -> None:
    """Such a name is a fault of its manifest: it could neither be written as it is nor be changed."""
    rows = "".join(
        f"pump-{number}\t{name}\n"
        for number, name in enumerate(("=A1(1)", "+cmd|x", "@SUM(1)", "\uff1dA1", "a; =B1()", "a;-1|x"))
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lot.tsv"
        path.write_text(f"id\tcn\n{rows}", encoding="utf-8")
        with pytest.raises(ManifestError) as caught:
            load(str(path), Defaults())
    assert len(caught.value.details) == 6
    for line in caught.value.details:
        assert "like a spreadsheet's formula" in line
