"""The reader of strace's output: it follows files through their names, and sees each thing that is wrong."""

from __future__ import annotations

import pytest

from tests.hygiene.trace import Trace

HOME = "/srv/line"
SECRET = b"-----a key-----"


def text(value: bytes | str) -> str:
    """Return a string as ``strace -xx`` shows it."""
    data = value.encode() if isinstance(value, str) else value
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"'


def made(name: str, mode: str = "0400", flags: str = "O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC") -> str:
    return f"7 openat(AT_FDCWD, {text(name)}, {flags}, {mode}) = 3"


FOLDER = f"7 mkdir({text('devices')}, 0700) = 0"
MADE = made("devices/.tmp")
WRITTEN = f"7 write(3, {text(SECRET)}, {len(SECRET)}) = {len(SECRET)}"
CLOSED = "7 close(3) = 0"
GOOD = [FOLDER, MADE, WRITTEN, "7 fchmod(3, 0400)       = 0", CLOSED]


def faults(*lines: str) -> list[str]:
    return Trace(lines, HOME).faults(lambda file: SECRET in file.data)


def test_a_key_that_is_written_as_it_should_be_has_no_fault() -> None:
    """Made with O_EXCL and 0400 in a 0700 folder, named anew, moved with its folder: nothing is wrong."""
    moves = [
        f"7 rename({text('devices/.tmp')}, {text('devices/one.key')}) = 0",
        f"7 mkdir({text('done')}, 0700) = 0",
        f"7 rename({text('devices')}, {text('done/one')}) = 0",
    ]
    trace = Trace([*GOOD, *moves], HOME)
    assert trace.faults(lambda file: SECRET in file.data) == []
    assert [file.name for file in trace.files if SECRET in file.data] == [f"{HOME}/done/one/one.key"]


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([FOLDER, made("devices/.tmp", "0644"), WRITTEN], "made with mode 0644"),
        ([FOLDER, made("devices/.tmp", flags="O_WRONLY|O_CREAT|O_TRUNC"), WRITTEN], "made without O_EXCL"),
        ([FOLDER, f"7 creat({text('devices/a')}, 0400) = 3", WRITTEN], "made without O_EXCL"),
        ([MADE, WRITTEN], "which others may enter"),
        ([FOLDER.replace("0700", "0750"), MADE, WRITTEN], "which others may enter"),
        ([*GOOD, f"7 chmod({text('devices')}, 0755) = 0"], "folder's mode changed to 0755"),
        ([*GOOD, f"7 rename({text('devices/.tmp')}, {text('a.key')}) = 0"], f"stands in {HOME}"),
        ([*GOOD, f"7 link({text('devices/.tmp')}, {text('a')}) = 0"], f"stands in {HOME}"),
        ([*GOOD[:3], "7 fchmod(3, 0440) = 0", "7 fchmod(3, 0400) = 0"], "mode changed to 0440"),
        ([*GOOD, f"7 fchmodat(AT_FDCWD, {text('devices/.tmp')}, 0404, 0) = 0"], "mode changed to 0404"),
        ([*GOOD, f"8 openat(AT_FDCWD, {text('devices/.tmp')}, O_WRONLY|O_APPEND) = 4"], "opened for writing"),
        ([*GOOD, f"8 openat(AT_FDCWD, {text('devices/.tmp')}, O_RDWR|O_TRUNC) = 4"], "truncated"),
        ([*GOOD, f"8 truncate({text('devices/.tmp')}, 0) = 0"], "truncated"),
        ([*GOOD[:3], made("b").replace("= 3", "= 4"), "7 sendfile(4, 3, NULL, 99) = 15"], "filled by sendfile"),
    ],
)  # fmt: skip
def test_whatever_lets_others_at_a_key_is_a_fault(lines: list[str], fault: str) -> None:
    """A mode, a flag, a folder or a second write that is wrong for an instant is told, however it ended."""
    assert any(fault in found for found in faults(*lines))


def test_what_holds_no_key_may_be_as_it_likes() -> None:
    """The same calls are no fault where what is written is no secret."""
    public = WRITTEN.replace(text(SECRET), text(b"-----a cert-----"[: len(SECRET)]))
    assert faults(FOLDER, made("devices/.tmp", "0644"), public) == []


def test_calls_that_other_threads_interrupt_are_put_together() -> None:
    """What is told in two halves is one call, and a number is free as soon as its close has begun."""
    lines = [
        FOLDER,
        made("devices/public", "0644"),
        "7 close(3 <unfinished ...>",
        MADE.replace("7 ", "8 ", 1).replace(") = 3", " <unfinished ...>"),
        "8 <... openat resumed>) = 3",
        "7 <... close resumed>) = 0",
        WRITTEN.replace("7 ", "8 ", 1),
        "7 clone3({flags=CLONE_VM|CLONE_THREAD, stack_size=0x1} => {parent_tid=[8]}, 88) = 8",
    ]
    assert [file.name for file in Trace(lines, HOME).files if SECRET in file.data] == [f"{HOME}/devices/.tmp"]


def test_a_child_writes_through_what_it_inherited_and_execve_closes_it() -> None:
    """A descriptor means the same file in a forked child, and nothing known after another program was begun."""
    forked = ["7 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD) = 9", WRITTEN.replace("7 ", "9 ", 1)]
    assert len([file for file in Trace([FOLDER, MADE, *forked], HOME).files if SECRET in file.data]) == 1
    begun = [forked[0], '9 execve("\\x61", ["\\x61"], 0x7ffc /* 9 vars */) = 0', forked[1]]
    trace = Trace([FOLDER, MADE, *begun], HOME)
    assert [file for file in trace.files if SECRET in file.data] == []
    assert trace.elsewhere[9, 3] == SECRET


def test_what_goes_to_pipes_and_sockets_is_kept_too() -> None:
    """Bytes for a descriptor that is no file are told apart by thread and number."""
    parts = ", ".join(f"{{iov_base={text(part)}, iov_len={len(part)}}}" for part in (SECRET[:6], SECRET[6:]))
    assert Trace([f"7 writev(5, [{parts}], 2) = {len(SECRET)}"], HOME).elsewhere == {(7, 5): SECRET}


@pytest.mark.parametrize(
    "line",
    [
        "7 write(3, 0x7ffe4a, 15) = 15",
        '7 write(3, "\\x2d"..., 15) = 15',
        f"7 chdir({text('/elsewhere')}) = 0",
        f"7 mknod({text('a')}, S_IFREG|0644) = 0",
        "strace: something went wrong",
    ],
)
def test_what_cannot_be_followed_is_never_passed_over(line: str) -> None:
    """Bytes that strace could not read or cut short, and calls that are not understood, end the reading."""
    with pytest.raises(ValueError, match=r"strace|followed"):
        faults(line)
