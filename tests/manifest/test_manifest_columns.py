"""What a column means does not depend on how its header is spelled, and headers that clash are refused."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from pipeline.manifest.columns import ALIASES, Field
from tests.manifest.manifest_reading import devices_in, faults_in, write

if TYPE_CHECKING:
    from pathlib import Path

# The table of the manifest's documentation, written out so that no alias can get lost unseen.
_PROMISED = {
    Field.THING_NAME: "thing_name ThingName thing name node_id device_id identifier id mac",
    Field.THING_TYPE: "thing_type ThingTypeName",
    Field.THING_GROUPS: "thing_groups thing_group groups group",
    Field.BILLING_GROUP: "billing_group",
    Field.POLICY: "policy policy_name",
    Field.COMMON_NAME: "common_name cn",
    Field.CSR: "csr",
    Field.KEY_TYPE: "key_type",
    Field.ENCRYPT_TO: "encrypt_to",
    Field.PROFILE: "profile aws_profile",
    Field.REGION: "region aws_region",
}
_HELD_ELSEWHERE = {Field.CSR, Field.KEY_TYPE, Field.ENCRYPT_TO, Field.PROFILE, Field.REGION}
"""Fields whose cells are not just any text; their own tests respell them."""
_SPELLINGS = [(field, alias) for field, aliases in _PROMISED.items() for alias in aliases.split()]
_ATTRIBUTE = {Field.THING_GROUPS: "groups"}


def test_aliases_are_those_promised() -> None:
    """The table of aliases is the documented one."""
    assert {field: " ".join(aliases) for field, aliases in ALIASES.items()} == _PROMISED


@pytest.mark.parametrize(("field", "alias"), [pair for pair in _SPELLINGS if pair[0] not in _HELD_ELSEWHERE])
@pytest.mark.parametrize("respell", [str, str.upper, str.title, lambda text: text.replace("_", "-")])
def test_aliases(tmp_path: Path, field: Field, alias: str, respell: type[str]) -> None:
    """Every alias is understood regardless of case, underscores and dashes."""
    header = respell(alias)
    named = "" if field is Field.THING_NAME else "thing_name,"
    path = write(tmp_path, "m.csv", f"{named}{header}\n{'thing,' if named else ''}value\n")
    (device,) = devices_in(path)
    value = asdict(device)[_ATTRIBUTE.get(field, field)]
    assert value == (("value",) if field is Field.THING_GROUPS else "value")
    assert device.attributes == {}


@pytest.mark.parametrize("header", ["serial_number", "SerialNumber", "hw.rev", "a/b:c#d@e,f", "things", "type"])
def test_attributes_keep_their_spelling(tmp_path: Path, header: str) -> None:
    """What is no field is an attribute, under the name as it was written."""
    (device,) = devices_in(write(tmp_path, "m.csv", f'id,"{header}"\na,x\n'))
    assert device.attributes == {header: "x"}


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ("thing_name,id", "1:12: columns 'thing_name' and 'id' both mean thing_name; keep or rename one of them"),
        (
            "id,group,Groups",
            "1:10: columns 'group' and 'Groups' both mean thing_groups; keep or rename one of them",
        ),
        ("id,cn,cn", "1:7: column 'cn' is there twice"),
        (
            "id,hw_rev,HW-Rev",
            (
                "1:11: columns 'hw_rev' and 'HW-Rev' differ only by case, '_', '-' or spaces; "
                "keep or rename one of them"
            ),
        ),
        ("id,site,site", "1:9: column 'site' is there twice"),
        ("id,,site", "1:4: column 2 has no name"),
        (
            "id,hw rev",
            (
                "1:4: attribute name 'hw rev' holds ' ' at character 3; "
                "an attribute name has 1 to 128 of a-z A-Z 0-9 _ . , @ / : # -"
            ),
        ),
        (
            "site,rev",
            (
                "1:1: no column is the thing name; call it one of "
                "thing_name, ThingName, thing, name, node_id, device_id, identifier, id, mac"
            ),
        ),
    ],
)
def test_header_faults(tmp_path: Path, header: str, fault: str) -> None:
    """A header that is unclear is a fault at the column in question."""
    width = header.count(",")
    assert faults_in(write(tmp_path, "m.csv", f"{header}\na{',x' * width}\n")) == [f"m.csv:{fault}"]


def test_header_faults_and_rows(tmp_path: Path) -> None:
    """Headers that clash do not keep the faults of the rows from being found."""
    faults = faults_in(write(tmp_path, "m.csv", "id,cn,CN\na b,x,y\n"))
    assert [fault.split(" ")[0] for fault in faults] == ["m.csv:1:7:", "m.csv:2:1:"]


def test_json_keys(tmp_path: Path) -> None:
    """A key that is there twice in a JSON object, under whatever alias, is a fault where it stands again."""
    path = write(
        tmp_path, "m.jsonl", '{"id": "a", "id": "b"}\n{"id": "c", "x": "1", "attributes": {"X": "2"}}\n{}\n'
    )
    assert [fault.split(";")[0] for fault in faults_in(path)] == [
        "m.jsonl:1:13: column 'id' is there twice",
        "m.jsonl:2:38: columns 'x' and 'X' differ only by case, '_', '-' or spaces",
        "m.jsonl:3:1: no column is the thing name",
    ]
