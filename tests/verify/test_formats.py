"""Bundles in further formats on disk: each fault in the folder of a format is found, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pipeline import files
from pipeline.secret import Secret
from tests.verify.inspecting import entry_of, found, told

if TYPE_CHECKING:
    from pathlib import Path

ROLL: dict[str, bytes | Secret] = {"one.roll": Secret(b"a key, rolled"), "one.txt": b"no secret"}


@pytest.fixture
def rolled(root: Path) -> Path:
    """The folder of a format in the bundle of a device, as a run writes it."""
    place = root / "devices" / "one" / "roll"
    files.private_folder(place)
    files.fill(place, ROLL)
    digests = {
        f"roll/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(place.iterdir())
    }
    known = json.dumps(dict(entry_of(root, "one").files) | digests)
    with closing(sqlite3.connect(root / "ledger.db", isolation_level=None)) as connection:
        connection.execute("UPDATE devices SET files = ? WHERE thing_name = 'one'", [known])
    return place


def test_a_further_format_as_it_was_left_is_in_order(root: Path, rolled: Path) -> None:
    """The folder of a format belongs to the bundle whose run wrote it, and to no other."""
    assert found(root) == {}
    files.private_folder(root / "devices" / "two" / rolled.name)
    assert found(root) == {"two": ["ForeignFile"]}


def test_a_missing_file_of_a_format_is_found(root: Path, rolled: Path) -> None:
    """It is named with the folder of its format, and so are all where the folder is gone."""
    (rolled / "one.roll").unlink()
    assert found(root) == {"one": ["FileMissing"]}
    assert "roll/one.roll is missing" in told(root)
    rolled.rename(root / "elsewhere")
    assert found(root) == {"one": ["FileMissing", "FileMissing"]}


def test_a_foreign_file_in_a_formats_folder_is_found(root: Path, rolled: Path) -> None:
    """What the format did not make is named, a folder too."""
    (rolled / "notes\x1b.txt").touch()
    (rolled / "more").mkdir()
    assert found(root) == {"one": ["ForeignFile", "ForeignFile"]}
    assert r"roll/notes\x1b.txt is not of its bundle" in told(root)


@pytest.mark.parametrize("name", sorted(ROLL))
def test_a_changed_file_of_a_format_is_found(root: Path, rolled: Path, name: str) -> None:
    """One that holds a key is told by its checksum like any other."""
    path = rolled / name
    mode = path.stat().st_mode & 0o777
    path.chmod(0o600)
    path.write_bytes(b"something else")
    path.chmod(mode)
    assert found(root) == {"one": ["ChecksumDiffers"]}
    assert f"roll/{name} was changed" in told(root)


@pytest.mark.parametrize("mode", [0o600, 0o440, 0o444, 0o666])
def test_a_mode_that_no_run_gives_is_found(root: Path, rolled: Path, mode: int) -> None:
    """A file of a format is 0400 or 0644."""
    (rolled / "one.roll").chmod(mode)
    assert found(root) == {"one": ["FileMode"]}
    assert f"roll/one.roll has mode {mode:04o}" in told(root)


def test_a_formats_folder_that_others_may_enter_is_found(root: Path, rolled: Path) -> None:
    """It is 0700 like the bundle's own."""
    rolled.chmod(0o755)
    assert found(root) == {"one": ["FolderMode"]}
    assert "its folder roll has mode 0755" in told(root)


def test_a_link_in_the_place_of_a_formats_folder_is_found(root: Path, rolled: Path) -> None:
    """What it leads to is not looked at, however whole."""
    rolled.rename(root / "elsewhere")
    rolled.symlink_to(root / "elsewhere")
    assert found(root)["one"][0] == "NotAFolder"


def test_exports_and_listings_are_no_strays(root: Path) -> None:
    """What else stands in the run's folder belongs to nobody's bundle."""
    for name in ("export", "bulk-results"):
        files.private_folder(root / name)
        (root / name / "file").touch()
    assert found(root) == {}
