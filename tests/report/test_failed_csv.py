"""failed.csv is a manifest of the devices that failed, and of nothing else."""

from __future__ import annotations

import csv
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.device import Device, State
from pipeline.errors import DeviceError
from pipeline.layout import RunFolder
from pipeline.manifest import load
from pipeline.manifest.columns import Field, Remark
from pipeline.manifest.names import common_name_fault
from pipeline.report import FAILED_CSV, FAILED_JSONL, write_all
from pipeline.report.failed_csv import Columns, failed_csv
from pipeline.report.failed_jsonl import failed_jsonl
from pipeline.settings import Defaults, KeyType
from tests.foreign.hostile import hostile_texts
from tests.report.ledgers import Fate, device, ledger_of
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from collections.abc import Sequence

WHY = DeviceError(4, "WrongKey", "the certificate is for another key", advice="run again")
REMARKS = ["failed at step", "error code", "error message", "what to do"]
REMARKED = ["4", "WrongKey", "the certificate is for another key", "run again"]

RECIPIENTS = [
    str(pyrage.x25519.Identity.generate().to_public()),
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMxhQrSs1dBZbGpIDkV7S5hG2dqPKtoPlU99ci5qFFkM",
]


def _storable(error: DeviceError) -> DeviceError:
    """Return it without halves of surrogate pairs, which SQLite does not take."""
    whole = [text.encode("utf-8", "replace").decode() for text in (error.code, error.message, error.advice)]
    return DeviceError(error.step, whole[0], whole[1], advice=whole[2])


_NAME = "abcXYZ019:_-"
names = st.text(_NAME, min_size=1, max_size=12)
values = st.text("abcXYZ019_.,@/:#=[]-", min_size=1, max_size=12)
common_names = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=64).filter(
    lambda name: common_name_fault(name) is None
)
attribute_names = st.sampled_from(
    ["hw-rev", "hw_rev", "HwRev", "site,floor", "#1", "name", "attributes", "-", "id", "policies", "error_code"]
)
devices = st.builds(
    Device,
    thing_name=names,
    line=st.just(1),
    common_name=common_names,
    thing_type=st.none() | names,
    groups=st.lists(names, unique=True, max_size=3).map(tuple),
    billing_group=st.none() | names,
    policy=st.none() | st.text("abc019_+=,.@-", min_size=1, max_size=12),
    attributes=st.dictionaries(attribute_names, values, max_size=1),
    key_type=st.none() | st.sampled_from(KeyType),
    encrypt_to=st.lists(st.sampled_from(RECIPIENTS), unique=True).map(sorted).map(tuple),
)
errors = st.builds(
    lambda step, code, message, advice: DeviceError(step, code, message, advice=advice),
    st.integers(1, 8),
    *[hostile_texts(3) | st.just("")] * 3,
).map(_storable)


def report(root: Path, fates: Sequence[Fate]) -> None:
    folder = RunFolder(root)
    reader = ledger_of(folder, fates)
    write_all(reader, folder)
    reader.close()


def read_back(manifest: Path) -> list[Device]:
    with load(str(manifest), Defaults()) as roster:
        return [replace(each, line=1) for each in roster.devices()]


def rows_of(root: Path) -> list[list[str]]:
    with (root / FAILED_CSV).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(devices, min_size=1, max_size=4, unique_by=lambda each: each.thing_name.lower()),
    st.lists(errors, min_size=4, max_size=4),
)
def test_failed_devices_come_back_exactly(failed: list[Device], why: list[DeviceError]) -> None:
    """Whatever a manifest says of a device, and why ever it failed, the list of failures says the same of it."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "run"
        report(root, [Fate(each, State.PLANNED, failed=error) for each, error in zip(failed, why, strict=False)])
        (written,) = [path for name in (FAILED_CSV, FAILED_JSONL) if (path := root / name).exists()]
        assert read_back(written) == failed


def test_a_device_held_key_comes_back(tmp_path: Path) -> None:
    """The CSR of a device that keeps its own key is in failed.csv, inline."""
    failed = replace(device("sealed"), csr=make_csr("sealed").pem)
    report(tmp_path / "run", [Fate(failed, State.PLANNED, failed=WHY)])
    assert read_back(tmp_path / "run" / FAILED_CSV) == [failed]


def test_no_field_is_forgotten() -> None:
    """Both kinds of file have every field of a manifest but where devices go: their run knows that."""
    whole = Device(
        "one", 1, "cn", "type", ("group",), "billing", "policy", {"a": "1"}, "csr", KeyType.EC_P256, ("age1one",)
    )
    [line] = failed_jsonl([(whole, WHY)])
    fields = {*Field} - {Field.PROFILE, Field.REGION}
    assert json.loads(line).keys() - {"attributes"} == {*fields, *Remark}
    assert set(Columns.of([whole]).fields) == fields


def test_only_failed_devices_are_in_it(tmp_path: Path) -> None:
    """Devices that are done, skipped or under way are not given to the next run as failed."""
    report(
        tmp_path / "run",
        [
            Fate(device("done", 1)),
            Fate(device("broken", 2), State.KEYED, failed=WHY),
            Fate(device("skipped", 3), State.LISTED, skipped=WHY),
            Fate(device("open", 4), State.BUNDLED),
        ],
    )
    assert rows_of(tmp_path / "run") == [["thing_name", *REMARKS], ["broken", *REMARKED]]


def test_columns_are_those_that_some_failed_device_needs(tmp_path: Path) -> None:
    """A column that no failed device has a value for is left out, and attributes are sorted."""
    report(
        tmp_path / "run",
        [
            Fate(replace(device("a", 1), attributes={"zone": "1"}, policy="p"), failed=WHY, state=State.LISTED),
            Fate(replace(device("b", 2), attributes={"hw": "2"}, groups=("g1", "g2")), State.LISTED, failed=WHY),
            Fate(replace(device("c", 3), attributes={"unused": "3"}, thing_type="t")),
        ],
    )
    assert rows_of(tmp_path / "run") == [
        ["thing_name", "thing_groups", "policy", "hw", "zone", *REMARKS],
        ["a", "", "p", "", "1", *REMARKED],
        ["b", "g1;g2", "", "2", "", *REMARKED],
    ]


@pytest.mark.parametrize("stale", [FAILED_CSV, FAILED_JSONL])
def test_nothing_failed_leaves_no_file(tmp_path: Path, stale: str) -> None:
    """Where nothing failed there is no manifest of failed devices, and one of an earlier time is gone."""
    root = tmp_path / "run"
    root.mkdir()
    (root / stale).write_text("thing_name\nbroken\n")
    report(root, [Fate(device("done"))])
    assert not (root / FAILED_CSV).exists()
    assert not (root / FAILED_JSONL).exists()


@pytest.mark.parametrize(
    ("first", "second"),
    [("hw_rev", "HW-rev"), ("site", "policy_name"), ("site", "keytyp")],
    ids=["differ by case", "means a field", "all but means a field"],
)
def test_attributes_that_one_header_cannot_name_go_to_jsonl(tmp_path: Path, first: str, second: str) -> None:
    """Where a header would be taken otherwise, failed.jsonl takes the place of failed.csv and keeps all."""
    failed = [replace(device("a"), attributes={first: "1"}), replace(device("b"), attributes={second: "2"})]
    report(tmp_path / "run", [Fate(each, State.LISTED, failed=WHY) for each in failed])
    assert not (tmp_path / "run" / FAILED_CSV).exists()
    assert read_back(tmp_path / "run" / FAILED_JSONL) == failed
    for line in (tmp_path / "run" / FAILED_JSONL).read_text(encoding="ascii").splitlines():
        assert [str(json.loads(line)[name]) for name in REMARKS] == REMARKED


def test_an_attribute_called_like_a_remark_stays_an_attribute(tmp_path: Path) -> None:
    """``error_code`` and its like are attributes with columns of their own, beside those that say why."""
    failed = replace(device("one"), attributes={"error_code": "E7", "What-to-do": "call"})
    report(tmp_path / "run", [Fate(failed, State.LISTED, failed=WHY)])
    assert rows_of(tmp_path / "run")[0] == ["thing_name", "What-to-do", "error_code", *REMARKS]
    assert read_back(tmp_path / "run" / FAILED_CSV) == [failed]


def test_a_ledger_that_does_not_say_why_has_a_list_all_the_same() -> None:
    """Devices that failed for no known reason, as a ledger that somebody changed may have it, are listed too."""
    one = device("one")
    content = b"".join(failed_csv([(one, None)], Columns.of([one])))
    assert content.decode() == f"thing_name,{','.join(REMARKS)}\none,,,,\n"
    [line] = failed_jsonl([(one, None)])
    assert json.loads(line) == {"thing_name": "one", "common_name": "one"}
