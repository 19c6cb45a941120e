"""``tar`` and ``zip``: tar and unzip take out the bundle, with the modes that it has on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.bundles.formats import FORMATS
from pipeline.secret import Secret
from tests.bundles.devices import (
    KEY_TYPES,
    ODD_NAMES,
    clear_key,
    encrypted,
    keeping_its_key,
    lay,
    parts_of,
    plain,
    tool,
)
from tests.support.tools import needs

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.bundles.parts import Parts
    from pipeline.settings import KeyType

KINDS = ["tar", "zip"]


def taken_out(tmp_path: Path, kind: str, parts: Parts) -> Path:
    """Have the archive unpacked by the tool for it, and return where to."""
    name = parts.device.thing_name
    lay(tmp_path / "files", FORMATS[kind].make(parts))
    out = tmp_path / "out"
    out.mkdir()
    # With a folder before it, since tar takes "a:b.tar" for a file on the machine "a", and "-x" for an option.
    file = f"../files/{name}.{kind}"
    if kind == "tar":
        needs("tar")
        tool("tar", "-xpf", file, folder=out)
    else:
        needs("unzip")
        tool("unzip", "-q", file, folder=out)
    assert [path.name for path in out.iterdir()] == [name]
    return out / name


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_the_bundle_comes_out_as_it_is_on_disk(tmp_path: Path, kind: str, key_type: KeyType) -> None:
    """The same files with the same bytes and modes, in a folder that its owner alone may enter."""
    parts = parts_of(key_type=key_type)
    folder = taken_out(tmp_path, kind, parts)
    public = dict.fromkeys(["pump-001.pem", "pump-001.csr", "root-ca.pem", "config.json"], 0o644)
    assert modes(folder) == public | {"pump-001.key": 0o400}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "pump-001.key").read_bytes() == clear_key(parts)
    assert (folder / "pump-001.pem").read_text(encoding="ascii") == parts.certificate.pem
    assert (folder / "pump-001.csr").read_text(encoding="ascii") == parts.csr
    assert (folder / "root-ca.pem").read_text(encoding="ascii") == parts.endpoint.roots


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_comes_out(tmp_path: Path, kind: str, name: str) -> None:
    """A thing's name makes no difference, even where it is too long for the oldest tar."""
    parts = parts_of(name)
    folder = taken_out(tmp_path, kind, parts)
    assert (folder / f"{name}.key").read_bytes() == clear_key(parts)
    assert len(modes(folder)) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_key_there_is_no_secret(tmp_path: Path, kind: str) -> None:
    """The archive of a device that keeps its key may be seen by anybody."""
    parts = keeping_its_key()
    [archive] = FORMATS[kind].make(parts).values()
    assert isinstance(archive, bytes)
    assert set(modes(taken_out(tmp_path, kind, parts)).values()) == {0o644}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".age", ""])
def test_an_encrypted_key_is_in_it_as_it_is(tmp_path: Path, kind: str, suffix: str) -> None:
    """It has its suffix and its mode, and the archive is a secret all the same."""
    parts = encrypted(parts_of(), suffix)
    assert isinstance(FORMATS[kind].make(parts)[f"pump-001.{kind}"], Secret)
    folder = taken_out(tmp_path, kind, parts)
    assert (folder / f"pump-001.key{suffix}").read_bytes() == clear_key(parts)
    assert modes(folder)[f"pump-001.key{suffix}"] == 0o400


def test_tar_lists_members_in_order_of_user_0_and_one_time(tmp_path: Path) -> None:
    """Nothing in the file tells when, where or by whom it was made."""
    needs("tar")
    folder = lay(tmp_path / "files", FORMATS["tar"].make(parts_of()))
    words = ("tar", "--utc", "--numeric-owner", "--full-time", "-tvf", "pump-001.tar")
    rows = [line.split() for line in tool(*words, folder=folder).decode().splitlines()]
    names = [row[-1] for row in rows]
    assert names == sorted(names)
    assert {(row[1], row[3], row[4]) for row in rows} == {("0/0", "1980-01-01", "00:00:00")}


def test_equal_parts_give_equal_archives_on_another_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is not asked."""
    parts = parts_of()
    before = {kind: plain(FORMATS[kind].make(parts)) for kind in KINDS}
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    assert {kind: plain(FORMATS[kind].make(parts)) for kind in KINDS} == before
