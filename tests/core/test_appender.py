"""A file that only grows: its owner's alone, each line whole by itself, and durable when the append returns."""

from __future__ import annotations

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


def test_after_a_refusal_the_next_line_stands_by_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a full disk cut off is ended before the next line, as if the process had been killed there."""
    write = os.write
    with closing(Appender(path)) as appender:
        with monkeypatch.context() as patch:
            taken = iter([3])

            def fill(handle: int, data: memoryview) -> int:
                room = next(taken, None)
                if room is None:
                    raise OSError(28, "No space left on device")
                return write(handle, data[:room])

            patch.setattr(os, "write", fill)
            with pytest.raises(DiskError, match="No space left"):
                appender.append(b"first\n")
        appender.append(b"first\n")
        appender.append(b"second\n")
    assert path.read_bytes() == b"fir\nfirst\nsecond\n"
