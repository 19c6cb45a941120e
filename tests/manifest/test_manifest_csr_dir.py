"""A folder of CSRs, one file a thing name: found for its row, and never left over in silence."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ManifestError, UsageError
from pipeline.manifest import load
from pipeline.settings import Defaults
from tests.manifest.manifest_reading import write
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.device import Device


@pytest.fixture
def csrs(tmp_path: Path) -> Path:
    folder = tmp_path / "csrs"
    folder.mkdir()
    return folder


def devices(manifest: Path, csrs: Path) -> list[Device]:
    with load(str(manifest), Defaults(), csr_dir=csrs) as roster:
        return list(roster.devices())


def faults(manifest: Path, csrs: Path) -> list[str]:
    """Return the faults as they are printed, without the folder of manifest and CSRs."""
    with pytest.raises(ManifestError) as caught:
        load(str(manifest), Defaults(), csr_dir=csrs)
    assert caught.value.total == len(caught.value.faults)
    return [str(fault).removeprefix(f"{manifest.parent}/") for fault in caught.value.faults]


def test_a_row_whose_file_is_there_keeps_its_own_key(tmp_path: Path, csrs: Path) -> None:
    """NAME.csr and NAME.pem are the CSR of the thing NAME; a row without a file has its key made here."""
    first, second = make_csr("a").pem, make_csr("b:1").pem
    write(csrs, "a.csr", first)
    write(csrs, "b:1.pem", second)
    manifest = write(tmp_path, "m.txt", "a\nb:1\nc\n")
    assert [device.csr for device in devices(manifest, csrs)] == [first, second, None]
    with load(str(manifest), Defaults(), csr_dir=csrs) as roster:
        totals = roster.totals()
    assert (totals.with_csr, totals.keys_to_make) == (2, 1)
    assert totals.about_keys() == "2 devices bring a CSR; one key is made here"


def test_both_ways_in_one_manifest(tmp_path: Path, csrs: Path) -> None:
    """Some rows may give their CSR in the manifest, some in the folder, and some not at all."""
    own, filed = make_csr("a").pem, make_csr("b").pem
    write(tmp_path, "own.csr", own)
    write(csrs, "b.csr", filed)
    manifest = write(tmp_path, "m.csv", "id,csr\na,own.csr\nb,\nc,\n")
    assert [device.csr for device in devices(manifest, csrs)] == [own, filed, None]


def test_a_common_name_of_the_row_counts(tmp_path: Path, csrs: Path) -> None:
    """The CSR in the folder must carry the row's common name where it gives one."""
    write(csrs, "a.csr", make_csr("A-1").pem)
    manifest = write(tmp_path, "m.csv", "id,cn\na,A-1\n")
    assert devices(manifest, csrs)[0].common_name == "A-1"


def test_a_file_that_no_row_names(tmp_path: Path, csrs: Path) -> None:
    """A file whose name is misspelt is named itself: its device would have got a key made here."""
    for name in ("pump-1.csr", "pump-O2.csr", "Pump-3.pem", "not a thing.csr"):
        write(csrs, name, make_csr("pump-1").pem)
    manifest = write(tmp_path, "m.txt", "pump-1\npump-02\npump-3\n")
    assert faults(manifest, csrs) == [
        "csrs/Pump-3.pem:1:1: no row names the thing 'Pump-3', but line 3 names 'pump-3'; give the file that name",
        "csrs/not a thing.csr:1:1: no row names the thing 'not a thing'; rename or remove the file",
        "csrs/pump-O2.csr:1:1: no row names the thing 'pump-O2'; rename or remove the file",
    ]


def test_a_suffix_in_capitals(tmp_path: Path, csrs: Path) -> None:
    """NAME.CSR is not read, so it is not passed over either."""
    write(csrs, "a.CSR", make_csr("a").pem)
    if (csrs / "a.csr").exists():
        pytest.skip("this file system does not tell a.CSR from a.csr")
    assert faults(write(tmp_path, "m.txt", "a\n"), csrs) == [
        "csrs/a.CSR:1:1: the suffix '.CSR' is not read; write it .csr"
    ]


def test_other_files_are_left_alone(tmp_path: Path, csrs: Path) -> None:
    """Only .csr and .pem are looked at, and no hidden file."""
    for name in ("README.txt", "a.key", "a.csr~", "._a.csr", ".csr"):
        write(csrs, name, "something else")
    assert devices(write(tmp_path, "m.txt", "a\n"), csrs)[0].csr is None


def test_one_csr_too_many(tmp_path: Path, csrs: Path) -> None:
    """Two files for a thing, or a file beside the row's own CSR, are a fault: nobody can tell which counts."""
    csr = make_csr("a").pem
    for name in ("a.csr", "b.csr", "b.pem"):
        write(csrs, name, csr)
    write(tmp_path, "a.csr", csr)
    assert faults(write(tmp_path, "m.csv", "id,csr\na,a.csr\nb,\n"), csrs) == [
        "m.csv:2:3: the row has a CSR, and so has the folder of CSRs in 'a.csr'; keep one of them",
        "m.csv:3:1: the folder of CSRs has 'b.csr' and 'b.pem'; keep one of them",
    ]


def test_a_file_that_is_no_good_csr(tmp_path: Path, csrs: Path) -> None:
    """What is wrong with a file is a fault at its row's thing name, with the name of the file."""
    write(csrs, "a.csr", make_csr("b").pem)
    write(csrs, "b.csr", "")
    write(csrs, "c.pem", b"\x00" * 9000)
    os.mkfifo(csrs / "d.csr")
    (csrs / "e.csr").symlink_to(csrs / "nowhere")
    (csrs / "f.csr").mkdir()
    found = faults(write(tmp_path, "m.csv", "serial,id\n1,a\n2,b\n3,c\n4,d\n5,e\n6,f\n"), csrs)
    assert [fault.partition(";")[0] for fault in found] == [
        "m.csv:2:3: 'a.csr': the CSR's common name is 'b', but must be 'a'",
        "m.csv:3:3: 'b.csr': the CSR is not one PEM block that begins with -----BEGIN CERTIFICATE REQUEST-----",
        "m.csv:4:3: 'c.pem': the CSR has more than 4,096 characters, which AWS IoT does not take",
        "m.csv:5:3: 'd.csr': the CSR 'd.csr' is not a regular file",
        "m.csv:6:3: 'e.csr': the CSR 'e.csr' cannot be read: No such file or directory",
        "m.csv:7:3: 'f.csr': the CSR 'f.csr' is not a regular file",
    ]


def test_one_key_for_two_devices(tmp_path: Path, csrs: Path) -> None:
    """A key that is in two CSRs is a fault, whichever way the two came."""
    first = make_csr("a")
    write(csrs, "a.csr", first.pem)
    again = first.again("b")
    write(csrs, "b.csr", again)
    write(tmp_path, "c.csr", first.again("c"))
    assert faults(write(tmp_path, "m.csv", "id,csr\na,\nb,\nc,c.csr\n"), csrs) == [
        "m.csv:3:1: the CSR has the key of 'a' on line 2; each device needs its own",
        "m.csv:4:3: the CSR has the key of 'a' on line 2; each device needs its own",
    ]


def test_a_hostile_file_name(tmp_path: Path, csrs: Path) -> None:
    """A name with an escape sequence or bytes that are no UTF-8 is shown harmless."""
    write(csrs, "\x1b]52;c;ZXZpbA==\x07.csr", "")
    try:
        write(csrs, os.fsdecode(b"\xff.csr"), "")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    found = faults(write(tmp_path, "m.txt", "a\n"), csrs)
    assert len(found) == 2
    assert all(fault.isascii() and fault.isprintable() for fault in found)


@pytest.mark.parametrize("name", ["none", "file"])
def test_a_folder_that_is_none(tmp_path: Path, name: str) -> None:
    """Where the folder cannot be read nothing is taken for a device without a CSR."""
    write(tmp_path, "file", "")
    with pytest.raises(UsageError, match=f"the folder of CSRs '.*{name}' cannot be read: "):
        load(str(write(tmp_path, "m.txt", "a\n")), Defaults(), csr_dir=tmp_path / name)


def test_more_strays_than_are_printed(tmp_path: Path, csrs: Path) -> None:
    """All files that no row names are counted, and the first hundred by name are kept."""
    for number in range(250):
        write(csrs, f"s{number:03}.csr", "")
    with pytest.raises(ManifestError) as caught:
        load(str(write(tmp_path, "m.txt", "a\n")), Defaults(), csr_dir=csrs)
    assert caught.value.total == 250
    assert [fault.file for fault in caught.value.faults] == [
        str(csrs / f"s{number:03}.csr") for number in range(100)
    ]
