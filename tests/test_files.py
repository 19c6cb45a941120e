"""The one writer of files: what it promises about names, modes and halves."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import files
from pipeline.errors import DiskError, RunFolderError
from pipeline.lock import RunLock


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_a_secret_is_readable_by_its_owner_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """A key file has mode 0400, neither more nor less."""
    before = os.umask(umask)
    try:
        files.create_once(tmp_path / "a.key", b"secret", files.SECRET)
    finally:
        os.umask(before)
    assert mode(tmp_path / "a.key") == 0o400
    assert (tmp_path / "a.key").read_bytes() == b"secret"


def test_no_instant_shows_a_secret_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every system call that touches it, the file has no bit for group or others."""
    seen: list[int] = []

    def look(real: object) -> object:
        def looking(*args: object, **kwargs: object) -> object:
            result = real(*args, **kwargs)  # type: ignore[operator]
            seen.extend(mode(path) for path in tmp_path.iterdir())
            return result

        return looking

    for name in ("open", "fchmod", "fsync", "link", "fdopen"):
        monkeypatch.setattr(os, name, look(getattr(os, name)))
    files.create_once(tmp_path / "a.key", b"secret", files.SECRET)
    assert seen
    assert not any(found & 0o077 for found in seen)


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    """Creating a key whose name is taken fails and leaves what is there, and no temporary file."""
    path = tmp_path / "a.key"
    files.create_once(path, b"first", files.SECRET)
    with pytest.raises(FileExistsError):
        files.create_once(path, b"second", files.SECRET)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_symbolic_link_at_the_name_is_not_followed(tmp_path: Path) -> None:
    """A link planted where a key is to be written diverts nothing."""
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "a.key").symlink_to(elsewhere)
    with pytest.raises(FileExistsError):
        files.create_once(tmp_path / "a.key", b"secret", files.SECRET)
    assert not elsewhere.exists()
    with pytest.raises(DiskError):
        files.read_file(tmp_path / "a.key")


@given(data=st.binary(max_size=5000), again=st.binary(max_size=5000))
@settings(max_examples=20)
def test_a_replaced_file_is_the_new_one_whole(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, again: bytes
) -> None:
    """Replacing leaves exactly the new content under the name, and nothing else in the folder."""
    folder = tmp_path_factory.mktemp("replace")
    for content in (data, again):
        files.replace_whole(folder / "summary.json", content)
        assert (folder / "summary.json").read_bytes() == content
        assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_disk_that_refuses_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """When a write, an fsync or the rename fails, what was there before is untouched and the path is named."""
    path = tmp_path / "config.json"
    files.replace_whole(path, b"old")

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    elif call == "rename":
        monkeypatch.setattr(Path, "replace", refuse)
    else:
        monkeypatch.setattr(os, "fdopen", refuse)
    with pytest.raises(DiskError, match=r"config\.json: No space left on device"):
        files.replace_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_folder_is_private_and_is_checked_again(tmp_path: Path) -> None:
    """A folder for keys is made 0700; one that is open to others, or a link, is refused."""
    folder = tmp_path / "devices"
    files.private_folder(folder)
    files.private_folder(folder)
    assert mode(folder) == 0o700
    folder.chmod(0o755)
    with pytest.raises(DiskError, match="other users"):
        files.private_folder(folder)
    (tmp_path / "link").symlink_to(tmp_path / "devices")
    with pytest.raises(DiskError, match="symbolic link"):
        files.private_folder(tmp_path / "link")


def test_a_folder_is_published_whole_or_not_at_all(tmp_path: Path) -> None:
    """A bundle gets its name in one step, and never in the place of another one."""
    staged, final = tmp_path / "staging" / "a", tmp_path / "devices" / "a"
    for folder in (staged.parent, final.parent, staged):
        files.private_folder(folder)
    files.fill(staged, {"a.pem": b"certificate", "config.json": b"{}"})
    files.publish_folder(staged, final)
    assert sorted(path.name for path in final.iterdir()) == ["a.pem", "config.json"]
    files.private_folder(staged)
    files.fill(staged, {"a.pem": b"another"})
    with pytest.raises(DiskError, match="publish"):
        files.publish_folder(staged, final)
    assert (final / "a.pem").read_bytes() == b"certificate"


def test_what_a_killed_writer_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    """Only half-written temporary files go; keys, bundles and the lock stay."""
    for name in (".0123456789abcdef.tmp", "a.key", ".lock"):
        (tmp_path / name).write_bytes(b"")
    files.sweep_temporaries(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "a.key"]


def test_a_second_owner_is_told_who_the_first_one_is(tmp_path: Path) -> None:
    """A lock that is held names its holder's process id, and is free again when that one is done."""
    lock = tmp_path / ".lock"
    with RunLock(lock), pytest.raises(RunFolderError, match=f"process {os.getpid()}"), RunLock(lock):
        pass
    with RunLock(lock):
        pass
    assert lock.read_bytes() == b""
