"""A misspelt column that keys or authority depend on is a fault, and does not become an attribute in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.device import Device
from pipeline.manifest.columns import ALIASES, field_of, layout_of, normalised
from pipeline.manifest.lookalikes import lookalike
from pipeline.report.failed_csv import Columns
from tests.manifest.manifest_reading import devices_in, faults_in, write

if TYPE_CHECKING:
    from pathlib import Path

NEAR = {
    "encrypted_to": "encrypt_to",
    "encrypt-for": "encrypt_to",
    "Encrypt": "encrypt_to",
    "encrytp_to": "encrypt_to",
    "key_typ": "key_type",
    "keytypes": "key_type",
    "csrs": "csr",
    "scr": "csr",
    "polciy": "policy",
    "policynames": "policy_name",
}
FAR = [
    "serial_number",
    "hw_rev",
    "device_type",
    "keypad_type",
    "entry_type",
    "key_size",
    "cert",
    "car",
    "police",
    "site",
]


@pytest.mark.parametrize(("column", "meant"), NEAR.items())
def test_a_column_that_is_all_but_a_field_is_a_fault(tmp_path: Path, column: str, meant: str) -> None:
    """Its place is named, what it may have meant, and where an attribute that is really called so goes."""
    [fault] = faults_in(write(tmp_path, "m.csv", f"id,{column}\na,x\n"))
    assert fault.startswith(f"m.csv:1:4: column '{column}' would be a thing attribute; did you mean {meant}?")
    assert "the object 'attributes'" in fault


@pytest.mark.parametrize("column", FAR)
def test_other_columns_are_attributes_as_before(tmp_path: Path, column: str) -> None:
    """What a fleet calls its own things is no misspelling."""
    [device] = devices_in(write(tmp_path, "m.csv", f"id,{column}\na,x\n"))
    assert device.attributes == {column: "x"}


@pytest.mark.parametrize("name", ["m.jsonl", "m.toml"])
def test_an_attribute_that_is_called_so_goes_into_attributes(tmp_path: Path, name: str) -> None:
    """There it is an attribute whatever it resembles, in JSON and in TOML; beside the fields it is a fault."""
    rows = {
        "m.jsonl": ('{"id": "a", "attributes": {"keytyp": "x"}}\n', '{"id": "a", "keytyp": "x"}\n'),
        "m.toml": ('[[thing]]\nid = "a"\nattributes = { keytyp = "x" }\n', '[[thing]]\nid = "a"\nkeytyp = "x"\n'),
    }
    nested, beside = rows[name]
    [device] = devices_in(write(tmp_path, name, nested))
    assert device.attributes == {"keytyp": "x"}
    [fault] = faults_in(write(tmp_path, name, beside))
    assert "did you mean key_type?" in fault


def test_what_failed_comes_back_where_a_header_would_be_refused() -> None:
    """A device with such an attribute is listed in JSON, since failed.csv could not be fed back."""
    assert Columns.of([Device("a", 1, "a", attributes={"keytyp": "x"})]).clash
    assert not Columns.of([Device("a", 1, "a", attributes={"serial": "x"})]).clash


@given(st.sampled_from(["encrypt_to", "key_type", "policy"]), st.data())
def test_one_letter_too_many_or_too_few_is_near(field: str, data: st.DataObject) -> None:
    """Wherever it is, and whatever the letter: the column is a field, or a fault, and never an attribute."""
    at = data.draw(st.integers(0, len(field) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    for name in (field[:at] + field[at + 1 :], field[:at] + letter + field[at:]):
        assert field_of(name) is not None or lookalike(normalised(name)) is not None


def test_no_name_of_a_field_is_near_to_another() -> None:
    """Every alias of every field is what it says."""
    names = [alias for aliases in ALIASES.values() for alias in aliases]
    problems = [reason for name in names for _, reason in layout_of([name]).problems]
    assert not [reason for reason in problems if "did you mean" in reason]
