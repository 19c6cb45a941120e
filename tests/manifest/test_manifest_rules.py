"""Every limit of AWS IoT and X.509 holds at its edge, with a sentence that says what would be right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.device import Device
from pipeline.errors import UsageError
from pipeline.manifest import load
from pipeline.settings import Defaults
from tests.manifest.manifest_reading import devices_in, faults_in, write

if TYPE_CHECKING:
    from pathlib import Path

_NAME = "has 1 to 128 of a-z A-Z 0-9 : _ -"
_POLICY = "a policy name has 1 to 128 of a-z A-Z 0-9 _ + = , . @ -"


def _row(folder: Path, **cells: str) -> Path:
    """Write a manifest of one row; the thing is called ``a`` unless a cell says otherwise."""
    cells = {"id": "a"} | cells
    quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells.values()]
    return write(folder, "m.csv", ",".join(cells) + "\n" + ",".join(quoted) + "\n")


@pytest.mark.parametrize("name", ["a", "-", "A:b_c-9", "x" * 64, "7C:DF:A1:00:2E:01"])
def test_thing_names(tmp_path: Path, name: str) -> None:
    """A thing name that AWS IoT takes is taken, and becomes the common name."""
    assert devices_in(_row(tmp_path, id=name)) == [Device(name, line=2, common_name=name)]


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("id", "a b", f"thing name 'a b' holds ' ' at character 2; a thing name {_NAME}"),
        ("id", "a\u0430", f"thing name 'a\u0430' holds '\u0430' (U+0430) at character 2; a thing name {_NAME}"),
        ("id", "a\n", rf"thing name 'a\x0a' holds '\x0a' at character 2; a thing name {_NAME}"),
        ("id", "../../x", f"thing name '../../x' holds '.' at character 1; a thing name {_NAME}"),
        ("id", "x" * 129, f"thing name '{'x' * 64}…' has 129 characters; a thing name {_NAME}"),
        ("thing_type", "a.b", f"thing type 'a.b' holds '.' at character 2; a thing type {_NAME}"),
        (
            "billing_group",
            "a/b",
            f"billing group name 'a/b' holds '/' at character 2; a billing group name {_NAME}",
        ),
        ("group", "g;a b", f"group name 'a b' holds ' ' at character 2; a group name {_NAME}"),
        ("group", "g;h;g;g", "group 'g' is named twice"),
        ("group", ";".join(f"g{n}" for n in range(11)), "the row names 11 groups; a thing belongs to at most 10"),
        ("policy", "a b", f"policy name 'a b' holds ' ' at character 2; {_POLICY}"),
        ("policy", "p" * 129, f"policy name '{'p' * 64}…' has 129 characters; {_POLICY}"),
        ("cn", "ü" * 33, f"common name '{'ü' * 33}' takes 66 bytes in UTF-8; a CSR's common name has 1 to 64"),
        (
            "cn",
            '=HYPERLINK("x")',
            "common name '=HYPERLINK(\"x\")' begins like a spreadsheet's formula; begin it with a letter or digit",
        ),
        ("cn", "x" * 65, f"common name '{'x' * 64}…' has 65 characters; a common name has 1 to 64 (X.509)"),
        (
            "cn",
            "a\tb",
            r"common name 'a\x09b' holds '\x09' at character 2; a control character has no place in a common name",
        ),
        (
            "cn",
            "a\u202eb",
            (
                r"common name 'a\u202eb' holds '\u202e' (U+202E) at character 2; "
                "an invisible character has no place in a common name"
            ),
        ),
        (
            "site",
            "a b",
            (
                "attribute 'site': attribute value 'a b' holds ' ' at character 2; "
                "an attribute value has up to 800 of a-z A-Z 0-9 _ . , @ / : # = [ ] -"
            ),
        ),
    ],
)
def test_faulty_cells(tmp_path: Path, column: str, cell: str, reason: str) -> None:
    """A cell that breaks a rule is one fault, at its place, and says what would be right."""
    place = "2:1" if column == "id" else "2:5"
    assert faults_in(_row(tmp_path, **{column: cell})) == [f"m.csv:{place}: {reason}"]


def test_no_name(tmp_path: Path) -> None:
    """A row without a name is a fault, unless it is blank as a whole."""
    assert faults_in(_row(tmp_path, id="", site="x")) == [f"m.csv:2:1: thing name is empty; a thing name {_NAME}"]


def test_long_attribute(tmp_path: Path) -> None:
    """An attribute value has 800 characters at most."""
    assert len(devices_in(_row(tmp_path, site="x" * 800))) == 1
    (fault,) = faults_in(_row(tmp_path, site="x" * 801))
    assert "has 801 characters" in fault


def test_thing_name_too_long_for_a_certificate(tmp_path: Path) -> None:
    """A thing name of more than 64 characters needs a common name of its own, and the fault says so."""
    name = "x" * 65
    (fault,) = faults_in(_row(tmp_path, id=name))
    assert fault.endswith("has at most 64; add a common_name column with a shorter one")
    assert devices_in(_row(tmp_path, id=name, cn="short")) == [Device(name, line=2, common_name="short")]


@pytest.mark.parametrize(("thing_type", "limit"), [("", 3), ("t", 50)])
def test_number_of_attributes(tmp_path: Path, thing_type: str, limit: int) -> None:
    """A thing has 3 attributes without a type and 50 with one; the fault is at the first that is too many."""
    cells = {"thing_type": thing_type} | {f"a{n:02}": "x" for n in range(limit)}
    assert len(devices_in(_row(tmp_path, **cells))[0].attributes) == limit
    (fault,) = faults_in(_row(tmp_path, **cells, a99="x"))
    column = 2 * 3 + 2 + len(thing_type) + limit * 4
    assert fault.startswith(f"m.csv:2:{column}: the row has {limit + 1} attributes; a thing with")
    assert ("with a type it can have 50" in fault) == (not thing_type)


def test_attributes_with_a_default_type(tmp_path: Path) -> None:
    """A thing type from the command line gives room for more attributes too."""
    cells = {f"a{n}": "x" for n in range(4)}
    assert len(devices_in(_row(tmp_path, **cells), Defaults(thing_type="t"))[0].attributes) == 4


def test_empty_attribute(tmp_path: Path) -> None:
    """An empty attribute cell is an attribute that is not there, and does not count."""
    (device,) = devices_in(_row(tmp_path, a="1", b="", c="2", d="3", e=""))
    assert device.attributes == {"a": "1", "c": "2", "d": "3"}


def test_defaults(tmp_path: Path) -> None:
    """A row gets the run's defaults where its cell is empty, and its own where it is not."""
    path = write(tmp_path, "m.csv", "id,type,thing_type,group,billing_group,policy\na,,,,,\nb,,t,g;h,i,p\n")
    defaults = Defaults(thing_type="T", groups=("G", "H"), billing_group="I", policy="P")
    assert devices_in(path, defaults) == [
        Device("a", 2, "a", thing_type="T", groups=("G", "H"), billing_group="I", policy="P"),
        Device("b", 3, "b", thing_type="t", groups=("g", "h"), billing_group="i", policy="p"),
    ]


@pytest.mark.parametrize(
    "defaults",
    [
        Defaults(thing_type="a b"),
        Defaults(groups=("g", "g")),
        Defaults(groups=("a b",)),
        Defaults(billing_group=""),
        Defaults(policy="a b"),
    ],
)
def test_faulty_defaults(tmp_path: Path, defaults: Defaults) -> None:
    """A default that is no valid name is wrong usage, not a fault of any row."""
    with pytest.raises(UsageError, match=r"holds|empty|twice"):
        load(str(_row(tmp_path)), defaults)


def test_every_fault_of_a_row(tmp_path: Path) -> None:
    """A row with several faulty cells gets a fault for each."""
    path = _row(tmp_path, id="a b", thing_type="c d", group="e f", site="g h", cn="i")
    assert [fault.split(":")[2] for fault in faults_in(path)] == ["1", "7", "13", "19"]
