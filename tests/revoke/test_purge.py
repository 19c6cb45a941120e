"""Folders of keys are removed whole, and nothing else is, whatever stands in their place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pipeline import files
from pipeline.bundles.formats import FORMATS, Format
from pipeline.errors import DiskError
from pipeline.layout import RunFolder
from pipeline.purge import has_folders, purge
from pipeline.scope import Scope
from pipeline.secret import Secret
from tests.revoke.accounts import revoke
from tests.support.awsiot import Fail

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.mill import Mill


def bundle_in(folder: RunFolder, name: str) -> Path:
    """Make a bundle with a key as a run leaves it, and return its folder."""
    place = folder.bundle(name)
    for above in (folder.root, folder.devices, place.parent, place):
        files.private_folder(above)
    files.create_once(place / f"{name}.key", b"secret", files.SECRET)
    files.fill(place, {f"{name}.pem": b"certificate", "config.json": b"{}"})
    return place


@pytest.mark.parametrize("shard", [False, True])
def test_both_folders_of_a_device_go(tmp_path: Path, shard: bool) -> None:
    """Bundle and staging folder are removed with all files, half-written ones too, and no neighbour's is."""
    folder = RunFolder(tmp_path / "run", shard)
    place, neighbour = bundle_in(folder, "one"), bundle_in(folder, "two")
    (place / ".0123456789abcdef.tmp").write_bytes(b"half")
    files.private_folder(folder.staging)
    files.private_folder(folder.staged("one"))
    files.create_once(folder.staged("one") / "one.key", b"secret", files.SECRET)
    assert has_folders(folder, "one")
    purge(folder, "one")
    assert not has_folders(folder, "one")
    assert not place.exists()
    assert not folder.staged("one").exists()
    assert (neighbour / "two.key").read_bytes() == b"secret"
    purge(folder, "one")


def test_a_purge_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    """What an earlier process left of a folder goes, and the key was the first file to go."""
    folder = RunFolder(tmp_path / "run")
    place = bundle_in(folder, "one")
    removed: list[str] = []
    unlink = os.unlink

    def once(name: str, *, dir_fd: int | None = None) -> None:
        if removed:
            raise OSError(5, "Input/output error")
        removed.append(name)
        unlink(name, dir_fd=dir_fd)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "unlink", once)
        with pytest.raises(DiskError, match="Input/output error"):
            purge(folder, "one")
    assert removed == ["one.key"]
    purge(folder, "one")
    assert not place.exists()


@pytest.mark.parametrize("part", ["devices", "bundle"])
def test_a_link_in_a_folders_place_is_not_followed(tmp_path: Path, part: str) -> None:
    """Where a symbolic link stands for the bundle or for the folder above it, what it leads to is untouched."""
    outside = RunFolder(tmp_path / "outside")
    kept = bundle_in(outside, "one")
    folder = RunFolder(tmp_path / "run")
    files.private_folder(folder.root)
    if part == "devices":
        folder.devices.symlink_to(outside.devices)
    else:
        files.private_folder(folder.devices)
        folder.bundle("one").symlink_to(kept)
    with pytest.raises(DiskError):
        purge(folder, "one")
    assert (kept / "one.key").read_bytes() == b"secret"


def test_a_link_in_the_bundle_goes_and_its_target_stays(tmp_path: Path) -> None:
    """A symbolic link among a bundle's files is removed itself, not what it leads to."""
    target = tmp_path / "target"
    target.write_bytes(b"kept")
    folder = RunFolder(tmp_path / "run")
    place = bundle_in(folder, "one")
    (place / "link").symlink_to(target)
    purge(folder, "one")
    assert not place.exists()
    assert target.read_bytes() == b"kept"


def test_a_folder_in_the_bundle_keeps_it(tmp_path: Path) -> None:
    """A bundle has no folders but its formats': one in which somebody made another is left whole and named."""
    folder = RunFolder(tmp_path / "run")
    place = bundle_in(folder, "one")
    (place / "notes").mkdir()
    with pytest.raises(DiskError, match="not the run's"):
        purge(folder, "one")
    assert (place / "one.key").exists()


@pytest.fixture
def rolled(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a format that there is."""
    monkeypatch.setitem(FORMATS, "rolled", Format(lambda _: {}, "a test"))
    return "rolled"


def further(place: Path, name: str) -> None:
    """Make the folder of a format in a device's folder, with a key and a file that is none."""
    files.private_folder(place / name)
    files.fill(place / name, {"one.roll": Secret(b"secret"), "one.txt": b"no secret", "a.key.age": b"sealed"})


def test_the_folders_of_formats_go_too(tmp_path: Path, rolled: str) -> None:
    """A bundle with further formats in it is removed whole, in staging as among the bundles."""
    folder = RunFolder(tmp_path / "run")
    further(bundle_in(folder, "one"), rolled)
    files.private_folder(folder.staging)
    files.private_folder(folder.staged("one"))
    further(folder.staged("one"), rolled)
    purge(folder, "one")
    assert list(folder.devices.iterdir()) == list(folder.staging.iterdir()) == []


def test_every_key_goes_before_any_other_file(
    tmp_path: Path, rolled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that only their owner may read, and those named as keys, are the first to go, in whichever folder."""
    folder = RunFolder(tmp_path / "run")
    place = bundle_in(folder, "one")
    further(place, rolled)
    removed: list[str] = []
    unlink = os.unlink

    def noted(name: str, *, dir_fd: int | None = None) -> None:
        removed.append(name)
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", noted)
    purge(folder, "one")
    assert removed == ["a.key.age", "one.key", "one.roll", "config.json", "one.pem", "one.txt"]


@pytest.mark.parametrize("shard", [False, True])
def test_what_was_exported_into_the_run_goes_too(tmp_path: Path, rolled: str, shard: bool) -> None:
    """Exported folders of the device are removed, half-made ones too, and those of its neighbour are not."""
    folder = RunFolder(tmp_path / "run", shard)
    files.private_folder(folder.root)
    files.private_folder(folder.exports)
    above = folder.exports / rolled
    made = [folder.below(above, "one"), folder.partial(above, "one"), folder.below(above, "two")]
    for place in made:
        place.mkdir(mode=0o700, parents=True)
        files.fill(place, {"one.roll": Secret(b"secret")})
    assert has_folders(folder, "one")
    purge(folder, "one")
    assert [place.exists() for place in made] == [False, False, True]
    assert not has_folders(folder, "one")


@pytest.mark.parametrize("where", ["format", "export"])
def test_a_link_in_the_place_of_a_formats_folder_is_not_followed(tmp_path: Path, rolled: str, where: str) -> None:
    """What it leads to is untouched, whether it stands in a bundle or for the exports."""
    outside = tmp_path / "outside"
    files.private_folder(outside)
    further(outside, "one")
    folder = RunFolder(tmp_path / "run")
    place = bundle_in(folder, "one")
    if where == "format":
        (place / rolled).symlink_to(outside / "one")
        purge(folder, "one")
    else:
        files.private_folder(folder.exports)
        (folder.exports / rolled).symlink_to(outside)
        with pytest.raises(DiskError):
            purge(folder, "one")
    assert len(list((outside / "one").iterdir())) == 3


def test_a_folder_in_a_formats_folder_keeps_the_bundle(tmp_path: Path, rolled: str) -> None:
    """A format makes files alone, so a folder there is somebody's: the bundle is left whole and named."""
    folder = RunFolder(tmp_path / "run")
    place = bundle_in(folder, "one")
    further(place, rolled)
    (place / rolled / "notes").mkdir()
    with pytest.raises(DiskError, match="not the run's"):
        purge(folder, "one")
    assert (place / "one.key").exists()
    assert (place / rolled / "one.roll").exists()


@pytest.mark.parametrize("name", ["..", "../outside", "."])
def test_a_name_that_is_a_path_reaches_nothing(tmp_path: Path, name: str) -> None:
    """Whatever a ledger that was tampered with calls a thing, nothing outside its folders is removed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"kept")
    folder = RunFolder(tmp_path / "run")
    bundle_in(folder, "one")
    files.private_folder(folder.staging)
    with pytest.raises(DiskError):
        purge(folder, name)
    assert (outside / "file").exists()
    assert (folder.bundle("one") / "one.key").exists()


@pytest.mark.anyio
async def test_a_revoke_keeps_keys_unless_told(mill: Mill) -> None:
    """Bundles stay as they are until --purge; then those of the revoked devices go, later too."""
    await mill.run("one\ntwo\n")
    await revoke(mill, Scope())
    assert (mill.folder.bundle("one") / "one.key").exists()
    told = await revoke(mill, Scope(purge=True))
    assert sorted(told.gone) == ["one", "two"]
    assert list(mill.folder.devices.iterdir()) == []
    assert list(mill.folder.staging.iterdir()) == []


@pytest.mark.anyio
async def test_a_device_that_stays_keeps_its_key(mill: Mill) -> None:
    """The folder of a device whose certificate could not be withdrawn is not removed: it still works."""
    await mill.run("one\ntwo\n")
    mill.double.faults.script("DetachPolicy", Fail("InvalidRequestException"), subject="two", times=None)
    told = await revoke(mill, Scope(purge=True))
    assert (told.gone, list(told.kept)) == (["one"], ["two"])
    assert not mill.folder.bundle("one").exists()
    assert (mill.folder.bundle("two") / "two.key").exists()


@pytest.mark.anyio
async def test_staged_keys_of_failed_devices_go_too(mill: Mill) -> None:
    """A device that never got its bundle leaves a key in staging, and --purge removes it."""
    mill.double.faults.script("CreateCertificateFromCsr", Fail("InvalidRequestException"), times=None)
    await mill.run()
    assert (mill.folder.staged("one") / "one.key").exists()
    await revoke(mill, Scope(failed_only=True, purge=True))
    assert list(mill.folder.staging.iterdir()) == []


@pytest.mark.anyio
async def test_a_folder_that_cannot_be_removed_is_said(mill: Mill) -> None:
    """The device is not marked while its key is there, and running it again finishes it."""
    await mill.run()
    (mill.folder.bundle("one") / "notes").mkdir()
    told = await revoke(mill, Scope(purge=True))
    assert "not the run's" in told.kept["one"]
    assert mill.entry("one").outcome is None
    (mill.folder.bundle("one") / "notes").rmdir()
    assert (await revoke(mill, Scope(purge=True))).gone == ["one"]
