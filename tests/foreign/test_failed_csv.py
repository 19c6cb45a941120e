"""``failed.csv``: a manifest that comes back as it was, and that no spreadsheet takes for anything but a table."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.device import Device
from pipeline.errors import ManifestError
from pipeline.manifest import load
from pipeline.manifest.names import common_name_fault
from pipeline.report.failed_csv import Columns, failed_csv
from pipeline.settings import Defaults
from tests.foreign.hostile import acting_in, cells_of, formulas_in, hostile_texts

NAMES = st.from_regex(r"[a-zA-Z0-9:_-]{1,20}", fullmatch=True)
POLICIES = st.from_regex(r"[a-zA-Z0-9_+=,.@-]{1,20}", fullmatch=True)
VALUES = st.from_regex(r"[a-zA-Z0-9_.,@/:#=\[\]-]{1,20}", fullmatch=True)
COMMON_NAMES = hostile_texts(2).filter(lambda text: text.strip(" ;") and common_name_fault(text) is None)
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


@given(devices())
def test_values_come_back_to_the_letter(failed: list[Device]) -> None:
    """Devices written as failed.csv are read back equal, however their names and values begin."""
    content = b"".join(failed_csv(failed, Columns.of(failed)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "failed.csv"
        path.write_bytes(content)
        with load(str(path), Defaults()) as roster:
            assert list(roster.devices()) == failed


@given(devices())
def test_a_value_that_begins_like_a_formula_can_call_nothing(failed: list[Device]) -> None:
    """A cell that a spreadsheet takes for a formula has none of the characters by which one does harm."""
    for row in cells_of(b"".join(failed_csv(failed, Columns.of(failed)))):
        assert acting_in("".join(row)) == []
        for cell in formulas_in(row):
            assert CALLS.search(cell) is None


@given(hostile_texts(), hostile_texts())
def test_what_a_changed_ledger_says_is_made_harmless(name: str, value: str) -> None:
    """A cell that the manifest's rules would refuse begins no formula and acts on nothing."""
    changed = Device("one", 2, common_name=name, thing_type=value, groups=(name,), attributes={"site": value})
    for row in cells_of(b"".join(failed_csv([changed], Columns.of([changed])))):
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
