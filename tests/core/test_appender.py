"""A file that only grows: its owner's alone, each line whole by itself, and durable when the append returns."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import files
from pipeline.appender import Appender
from pipeline.errors import DiskError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trail"


@pytest.fixture
def _umask_is_given_back() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask_is_given_back")
@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o277])
def test_only_its_owner_can_open_it(path: Path, umask: int) -> None:
    """The mode is 0600 whatever the umask is."""
    os.umask(umask)
    with closing(Appender(path)) as appender:
        appender.append(b"line\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(lines=st.lists(st.binary(max_size=40), max_size=8), reopened=st.integers(0, 8), most=st.integers(1, 7))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_everything_appended_is_there_in_order(
    tmp_path: Path, lines: list[bytes], reopened: int, most: int
) -> None:
    """However few bytes the system takes at once, and however often it is opened, nothing is lost or double."""
    path = tmp_path / "trail"
    path.unlink(missing_ok=True)
    write = os.write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", lambda handle, data: write(handle, data[:most]))
        for part in (lines[:reopened], lines[reopened:]):
            with closing(Appender(path)) as appender:
                for line in part:
                    appender.append(line + b"\n")
    assert path.read_bytes() == b"".join(line + b"\n" for line in lines)


def test_a_torn_line_is_ended_when_it_is_opened(path: Path) -> None:
    """What a killed process left without its end stays by itself, and the next line begins on its own."""
    path.write_bytes(b"whole\ntor")
    with closing(Appender(path)) as appender:
        appender.append(b"next\n")
    assert path.read_bytes() == b"whole\ntor\nnext\n"


def test_an_append_is_synced_before_it_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is fsynced with each append, and its folder when it is made, so that its name is durable too."""
    synced: list[int] = []
    sync = files.sync

    def note(handle: int) -> None:
        status = os.fstat(handle)
        synced.append(-1 if stat.S_ISDIR(status.st_mode) else status.st_size)
        sync(handle)

    monkeypatch.setattr(files, "sync", note)
    with closing(Appender(path)) as appender:
        assert synced == [-1]
        appender.append(b"line\n")
        assert synced == [-1, 5]


def as_link(path: Path) -> None:
    path.with_name("target").write_bytes(b"precious")
    path.symlink_to(path.with_name("target"))


def as_dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


@pytest.mark.parametrize("make", [as_link, as_dangling_link, os.mkfifo, os.mkdir])
def test_what_is_no_regular_file_is_refused(path: Path, make: Callable[[Path], None]) -> None:
    """A link is not followed, and a FIFO neither waited for nor written to."""
    make(path)
    before = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(DiskError, match="trail"):
        Appender(path)
    assert len(list(Path("/dev/fd").iterdir())) == before
    assert not path.with_name("nowhere").exists()
    if make is as_link:
        assert path.with_name("target").read_bytes() == b"precious"


def full_after(room: int) -> Callable[[int, memoryview], int]:
    """Return a write(2) of a disk that has so many bytes left."""
    write, rooms = os.write, iter([room])

    def fill(handle: int, data: memoryview) -> int:
        left = next(rooms, None)
        if left is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data[:left])

    return fill


def refuse(*_: int) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("start", [b"", b"whole\n", b"whole\ntor"])
@pytest.mark.parametrize("room", [1, 3, 6, 9])
def test_what_a_full_disk_cut_off_is_taken_back(
    path: Path, monkeypatch: pytest.MonkeyPatch, start: bytes, room: int
) -> None:
    """A refused append leaves the file as it was, so that the same lines, appended again, stand there once."""
    path.write_bytes(start)
    with closing(Appender(path)) as appender:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full_after(room))
            with pytest.raises(DiskError, match="No space left"):
                appender.append(b"first\nsecond\n")
        assert path.read_bytes() == start
        appender.append(b"first\nsecond\n")
        appender.append(b"third\n")
    ended = start if not start or start.endswith(b"\n") else start + b"\n"
    assert path.read_bytes() == ended + b"first\nsecond\nthird\n"


def test_what_could_not_be_synced_is_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that were written whole and may not be durable do not stand there twice after the next try."""
    with closing(Appender(path)) as appender:
        appender.append(b"zeroth\n")
        with monkeypatch.context() as patch:
            patch.setattr(files, "sync", refuse)
            with pytest.raises(DiskError, match="Input/output error"):
                appender.append(b"first\n")
        assert path.read_bytes() == b"zeroth\n"
        appender.append(b"first\n")
    assert path.read_bytes() == b"zeroth\nfirst\n"


def test_after_a_refusal_the_next_line_stands_by_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be taken back is ended before the next line, as if the process had been killed there."""
    with closing(Appender(path)) as appender:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full_after(3))
            patch.setattr(os, "ftruncate", refuse)
            with pytest.raises(DiskError, match="No space left"):
                appender.append(b"first\n")
        appender.append(b"first\n")
        appender.append(b"second\n")
    assert path.read_bytes() == b"fir\nfirst\nsecond\n"
