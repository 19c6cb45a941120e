"""The roster holds the devices of one manifest, exactly and in order, in a private file and in little memory."""

from __future__ import annotations

import sqlite3
import stat
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import DiskError, ManifestError
from pipeline.manifest import Place, Roster, load
from pipeline.manifest.tables import SCHEMA
from pipeline.settings import Defaults
from tests.manifest.manifest_reading import faults_in, write
from tests.support.thorough import sampled

if TYPE_CHECKING:
    from pathlib import Path


def test_duplicates(tmp_path: Path) -> None:
    """A name that was there before is a fault that names the earlier line, also when only its case differs."""
    assert faults_in(write(tmp_path, "m.csv", "site,id\nx,ab\n,c\n,ab\n,AB\n,d\n")) == [
        "m.csv:4:2: thing name 'ab' is on line 2 already",
        (
            "m.csv:5:2: thing name 'AB' differs from 'ab' on line 2 only by case, "
            "and would share its folder on some disks"
        ),
    ]


@pytest.mark.parametrize("distance", [1, 999, 1000, 1001, 3500])
def test_duplicates_far_apart(tmp_path: Path, distance: int) -> None:
    """A duplicate is found however many rows are in between."""
    path = write(tmp_path, "m.txt", "".join(f"t{n}\n" for n in range(distance)) + "T0\n")
    (fault,) = faults_in(path)
    assert fault.startswith(f"m.txt:{distance + 1}:1: thing name 'T0' differs from 't0' on line 1")


def test_duplicate_of_a_faulty_row(tmp_path: Path) -> None:
    """A row that repeats the name of a faulty row is a fault as well."""
    faults = faults_in(write(tmp_path, "m.csv", "id,site\na,x y\na,\n"))
    assert [fault.split(" ")[0] for fault in faults] == ["m.csv:2:3:", "m.csv:3:1:"]


def test_order_and_length(tmp_path: Path) -> None:
    """Devices come in the manifest's order, as often as they are asked for."""
    names = [f"t{n * 7919 % 5003}" for n in range(5003)]
    with load(str(write(tmp_path, "m.txt", "\n".join(names))), Defaults()) as roster:
        assert len(roster) == 5003
        assert [device.thing_name for device in roster.devices()] == names
        assert [device.line for device in roster.devices()] == list(range(1, 5004))


def test_names_in_use(tmp_path: Path) -> None:
    """Types, groups and policies in use are told with the place of their first use, defaults with none."""
    path = write(
        tmp_path,
        "m.csv",
        "id,thing_type,groups,billing_group,policy\na,t,g;h,,\nb,u,h,b,p\nc,t,i,,p\nd,,,,\n",
    )
    file = str(path)
    with load(file, Defaults(thing_type="T", policy="P")) as roster:
        assert roster.thing_types() == {"t": Place(file, 2, 3), "u": Place(file, 3, 3), "T": None}
        assert roster.groups() == {"g": Place(file, 2, 5), "h": Place(file, 2, 5), "i": Place(file, 4, 5)}
        assert roster.billing_groups() == {"b": Place(file, 3, 5 + 2)}
        assert roster.policies() == {"P": None, "p": Place(file, 3, 9)}


def test_unused_defaults(tmp_path: Path) -> None:
    """A default that every row overrides is not in use."""
    with load(str(write(tmp_path, "m.csv", "id,policy\na,p\n")), Defaults(policy="P", groups=("g",))) as roster:
        assert list(roster.policies()) == ["p"]
        assert roster.groups() == {"g": None}


def test_many_names_in_use(tmp_path: Path) -> None:
    """First uses are right however many names there are."""
    path = write(tmp_path, "m.csv", "id,group\n" + "".join(f"t{n},g{n % 15_000}\n" for n in range(30_000)))
    with load(str(path), Defaults()) as roster:
        lines = {name: place.line for name, place in roster.groups().items() if place is not None}
    assert lines == {f"g{n}": n + 2 for n in range(15_000)}


def test_descriptions_are_canonical(tmp_path: Path) -> None:
    """What the roster writes without a Device in between is what Device.to_json would have written."""
    path = write(
        tmp_path,
        "m.csv",
        'id,z,B,a,cn,thing_type,groups,billing_group,policy\nn1,1,2,3,"é""\\",t,g;f,b,"p,=+@"\nn2,,,,,,,,\nn3,,5,,,,,b,\n',
    )
    with load(str(path), Defaults()) as roster:
        devices = list(roster.devices())
        rows = roster._connection.execute("SELECT description FROM roster ORDER BY seq").fetchall()
    assert [description for (description,) in rows] == [device.to_json() for device in devices]
    assert len(devices) == 3


def test_attach(tmp_path: Path) -> None:
    """Another connection can attach the roster while it is open."""
    with load(str(write(tmp_path, "m.txt", "b\na\n")), Defaults()) as roster:
        ledger = sqlite3.connect(":memory:")
        ledger.execute("ATTACH ? AS manifest", (str(roster.path),))
        rows = ledger.execute("SELECT seq, thing_name, folded, spki, line FROM manifest.roster").fetchall()
        ledger.close()
    assert rows == [(1, "b", "b", None, 1), (2, "a", "a", None, 2)]


def test_private_and_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scratch file is readable by its owner alone, and is gone when the roster is, also after a fault."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    with load(str(write(tmp_path, "m.txt", "a\n")), Defaults()) as roster:
        assert stat.S_IMODE(roster.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(roster.path.parent.stat().st_mode) == 0o700
        roster.close()
        assert list(scratch.iterdir()) == []
    with pytest.raises(ManifestError):
        load(str(write(tmp_path, "m.txt", "a b\n")), Defaults())
    assert list(scratch.iterdir()) == []


def test_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scratch folder that cannot be written is a disk error with advice, not a traceback."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(DiskError, match="scratch database") as caught:
        Roster()
    assert "TMPDIR" in caught.value.advice


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scratch database that cannot grow is a disk error."""
    limit = "PRAGMA max_page_count = 20;\n"
    monkeypatch.setattr("pipeline.manifest.roster.SCHEMA", limit + SCHEMA)
    path = write(tmp_path, "m.txt", "".join(f"thing-{n}\n" for n in range(5000)))
    with pytest.raises(DiskError, match="database or disk is full"):
        load(str(path), Defaults())


@pytest.mark.parametrize(
    ("suffix", "name", "many"),
    sampled(
        [
            (".csv", "thing-{}", 5_000),
            (".csv", "thing-{}", 20_000),
            (".csv", "thing {}", 5_000),
            (".jsonl", "thing-{}", 5_000),
            (".toml", "thing-{}", 5_000),
        ],
        lambda case: case[2] == 5_000,
    ),
)
def test_flat_memory(tmp_path: Path, suffix: str, name: str, many: int) -> None:
    """Memory does not grow with the rows, be they sound or faulty, though each has a group of its own."""
    few = 2_000
    _peak(tmp_path, suffix, 100, name)  # what is loaded at first use
    low = _peak(tmp_path, suffix, few, name)
    assert _peak(tmp_path, suffix, many, name) < low + 500_000
    assert low < 3_000_000


def _peak(folder: Path, suffix: str, count: int, name: str) -> int:
    row = {
        ".csv": f"{name},{{}},g{{}}\n",
        ".jsonl": f'{{{{"id": "{name}", "site": "{{}}", "group": "g{{}}"}}}}\n',
        ".toml": f'[[thing]]\nid = "{name}"\nsite = "{{}}"\ngroup = "g{{}}"\n',
    }[suffix]
    with (folder / f"m{suffix}").open("w") as file:
        file.write("id,site,group\n" if suffix == ".csv" else "\n")
        for number in range(count):
            file.write(row.format(number, number, number))
    tracemalloc.start()
    try:
        with load(file.name, Defaults()) as roster:
            assert sum(1 for _ in roster.devices()) == count
    except ManifestError as error:
        assert error.total == count  # noqa: PT017 - a faulty pass is one of the two cases
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak
