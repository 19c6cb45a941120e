"""A password is read from where it is kept, whole and as it was meant, or the command ends with a sentence."""

from __future__ import annotations

import getpass
import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import UsageError
from pipeline.passwords import Carried, is_source, read_password
from pipeline.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WHAT = "the test's password"


def file_of(path: Path, data: bytes, mode: int = 0o600) -> str:
    path.write_bytes(data)
    path.chmod(mode)
    return f"file:{path}"


def descriptor_of(data: bytes) -> int:
    """Return the reading end of a pipe that holds ``data`` and whose writer is gone."""
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    os.set_inheritable(reading, True)  # as a shell hands one over
    return reading


def read(source: str) -> bytes:
    return read_password(source, WHAT, confirm=False).reveal()


def refused(source: str) -> str:
    """Return the sentence and advice that a source is refused with."""
    with pytest.raises(UsageError) as error:
        read(source)
    return f"{error.value.message}; {error.value.advice}"


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Have somebody at the terminal type lines; returns the prompts that were shown."""

    def begin(*lines: str) -> list[str]:
        waiting: Iterator[str] = iter(lines)
        prompts: list[str] = []

        def ask(prompt: str) -> str:
            prompts.append(prompt)
            return next(waiting)

        monkeypatch.setattr(getpass, "getpass", ask)
        return prompts

    return begin


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_one_line_end_is_not_part_of_it(tmp_path: Path, end: bytes) -> None:
    """A file and a descriptor give the same, as an editor or echo leaves it."""
    secret = "Schlüssel 7 ".encode()
    assert read(file_of(tmp_path / "secret", secret + end)) == secret
    assert read(f"fd:{descriptor_of(secret + end)}") == secret


def test_a_link_to_a_file_may_be_given(tmp_path: Path) -> None:
    """Secrets that are mounted stand behind symbolic links, and the file itself is looked at."""
    file_of(tmp_path / "secret", b"hidden", 0o644)
    (tmp_path / "link").symlink_to("secret")
    assert "open to other users" in refused(f"file:{tmp_path / 'link'}")
    (tmp_path / "secret").chmod(0o400)
    assert read(f"file:{tmp_path / 'link'}") == b"hidden"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o777])
def test_a_file_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """Whoever can read or change it has it, and the advice says how to close it."""
    told = refused(file_of(tmp_path / "secret", b"hidden", mode))
    assert told.endswith("is open to other users; close it with chmod 600")
    assert "hidden" not in told


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner can read it, whatever its mode."""
    source = file_of(tmp_path / "secret", b"hidden")
    if os.geteuid() == 0:  # whose own files are taken from root as from anybody
        os.chown(tmp_path / "secret", 65534, -1)
    somebody_else = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: somebody_else)
    assert "belongs to another user" in refused(source)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A file that is missing, a folder and a descriptor that is not open each end in a sentence."""
    assert "No such file or directory" in refused(f"file:{tmp_path}/ab\x1bsent")
    assert "\x1b" not in refused(f"file:{tmp_path}/ab\x1bsent")
    assert "Is a directory" in refused(f"file:{tmp_path}")
    assert "no such file" in refused("file:\0")
    assert "Bad file descriptor" in refused("fd:9999")


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n"])
def test_an_empty_one_is_refused(tmp_path: Path, data: bytes) -> None:
    """A file that was not filled must not leave keys without a password."""
    assert "is empty" in refused(file_of(tmp_path / "secret", data))
    assert "is empty" in refused(f"fd:{descriptor_of(data)}")


@pytest.mark.parametrize("data", [b"one\ntwo", b"one\n\n", b"a\0b", b"x" * 1025, b"x" * 5000 + b"\n", b"a\rb"])
def test_what_is_no_line_is_refused(tmp_path: Path, data: bytes) -> None:
    """Tools that read the first line alone would take another password than thingmill did."""
    assert "this is more" in refused(file_of(tmp_path / "secret", data))
    assert "this is more" in refused(f"fd:{descriptor_of(data)}")


def test_the_longest_one_is_taken_whole(tmp_path: Path) -> None:
    """Its line end is not counted."""
    assert read(file_of(tmp_path / "secret", b"x" * 1024 + b"\r\n")) == b"x" * 1024


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A prompt could never give them again."""
    assert "is not UTF-8" in refused(file_of(tmp_path / "secret", b"\xff\xfe"))


def test_a_descriptor_is_closed_when_it_was_read() -> None:
    """No process that is started afterwards can find the password in it."""
    number = descriptor_of(b"hidden")
    assert read(f"fd:{number}") == b"hidden"
    assert "Bad file descriptor" in refused(f"fd:{number}")


def test_a_descriptor_of_this_process_is_not_read_nor_closed(tmp_path: Path) -> None:
    """Where the shell opened none of that number it may be a database of ours by now."""
    (tmp_path / "ours").write_bytes(b"a line of ours\n")
    with (tmp_path / "ours").open("rb") as file:
        told = refused(f"fd:{file.fileno()}")
        assert file.read() == b"a line of ours\n"
    assert told.startswith("nobody opened descriptor ")
    assert told.endswith("open it in the shell, as in 3<FILE")


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_a_byte_order_mark_is_refused(tmp_path: Path, end: bytes) -> None:
    """An editor that leaves one would make it a part of the password, which nobody types at a prompt."""
    told = refused(file_of(tmp_path / "secret", b"\xef\xbb\xbfhidden" + end))
    assert "byte order mark" in told
    assert "hidden" not in told


def test_a_terminal_is_no_descriptor_to_read_from() -> None:
    """What is typed there would be shown, so the advice is to be prompted."""
    ours, theirs = os.openpty()
    os.set_inheritable(theirs, True)
    try:
        assert refused(f"fd:{theirs}").endswith("say prompt to be asked for it")
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_prompt_asks_twice_only_for_what_will_be_encrypted(typing: Callable[..., list[str]]) -> None:
    """To open something once is enough; to encrypt, both must be the same."""
    prompts = typing("hidden")
    assert read("prompt") == b"hidden"
    assert prompts == ["The test's password: "]
    prompts = typing("hidden", "hidden")
    assert read_password("prompt", WHAT, confirm=True).reveal() == b"hidden"
    assert len(prompts) == 2
    typing("hidden", "hiden")
    with pytest.raises(UsageError, match="in two ways"):
        read_password("prompt", WHAT, confirm=True)


def test_an_empty_answer_is_refused(typing: Callable[..., list[str]]) -> None:
    """Return alone is no password, and neither is what a terminal cannot say in UTF-8."""
    typing("")
    assert "is empty" in refused("prompt")
    typing("\udcff")
    assert "is not UTF-8" in refused("prompt")


def test_without_a_terminal_nobody_is_asked() -> None:
    """A prompt in a job without a terminal ends at once with advice, and reads nothing from standard input."""
    look = (
        "from pipeline.errors import UsageError\n"
        "from pipeline.passwords import read_password\n"
        "try:\n    read_password('prompt', 'it', confirm=False)\n"
        "except UsageError as error:\n    print(error.advice)\n"
    )
    command = [sys.executable, "-W", "error", "-c", look]
    told = subprocess.run(
        command, input="hidden\n", capture_output=True, text=True, check=True, start_new_session=True
    )
    assert told.stdout == "give file:PATH or fd:N instead\n"
    assert told.stderr == ""


@pytest.mark.parametrize("source", ["hunter2", "", "prompt ", "file:", "fd:", "fd:x", "fd:-1", "FILE:x", "pass:x"])
def test_a_password_itself_is_no_source_and_is_not_repeated(source: str) -> None:
    """Whoever gives it on the command line is told where to keep it, and not shown it again."""
    assert not is_source(source)
    assert refused(source) == f"{WHAT} is not given itself; say where it is: prompt, file:PATH or fd:N"


@pytest.mark.parametrize("source", ["prompt", "file:x", "file:a b\n", "fd:0", "fd:63"])
def test_a_source_is_known_without_being_read(source: str) -> None:
    """A manifest is checked without asking anybody."""
    assert is_source(source)


def test_a_password_crosses_to_a_worker_only_as_what_says_so() -> None:
    """The secret refuses to be pickled, and what is meant to cross arrives whole and is in no repr."""
    secret = Secret(b"hidden")
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    carried = Carried.of(secret)
    assert carried is not None
    assert "hidden" not in repr(carried)
    arrived = pickle.loads(pickle.dumps(carried)).arrived()  # noqa: S301  what was pickled just now
    assert (arrived.reveal(), "hidden" in repr(arrived)) == (b"hidden", False)
    assert Carried.of(None) is None
