"""What strace writes, read back as system calls: every call whole, in the order in which they ended.

It reads the output of ``strace -f -xx -o FILE`` with long enough strings (``-s``): strings are hexadecimal then,
so that no byte of a name or of what is written can be taken for strace's own punctuation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["COMMAND", "Call", "calls"]

TRACED = (
    *("open", "openat", "openat2", "creat", "mkdir", "mkdirat", "mknod", "mknodat"),
    *("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "rmdir"),
    *("chmod", "fchmod", "fchmodat", "truncate", "ftruncate", "chdir", "fchdir"),
    *("write", "pwrite64", "writev", "pwritev", "pwritev2", "sendto", "sendmsg", "sendmmsg"),
    *("sendfile", "copy_file_range", "splice"),
    *("close", "dup", "dup2", "dup3", "fcntl", "clone", "clone3", "fork", "vfork", "execve"),
)
"""Whatever gives a file its name, its mode or its content, and what says which file a descriptor stands for."""

COMMAND = (
    *("strace", "-f", "--seccomp-bpf", "-qq", "-xx", "-s", "4194304", "-e", "signal=none"),
    *("-e", "trace=" + ",".join(f"?{name}" for name in TRACED)),  # ``?``: not every machine has all of them
)
"""The words before ``-o FILE`` and the command to trace."""

_LINE = re.compile(r"(\d+) +(.*)", re.DOTALL)
_WHOLE = re.compile(r"(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+|\?)(?: .*)?", re.DOTALL)
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)", re.DOTALL)
_UNFINISHED = " <unfinished ...>"


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that succeeded.

    Attributes:
        thread: The id of the thread that made it.
        name: Its name.
        words: Its arguments as strace shows them; ``text`` and ``data`` decode strings.
        result: What it returned.
    """

    thread: int
    name: str
    words: tuple[str, ...]
    result: int

    def data(self, index: int) -> bytes:
        """Return an argument's bytes; of a list of buffers all of them, one after another.

        Raises:
            ValueError: strace could not read them, or cut them short.
        """
        word = self.words[index]
        if '"' not in word or '"...' in word:
            raise ValueError(f"strace does not tell what {self.name} was given: {word[:80]}")
        return b"".join(
            bytes.fromhex(part.replace("\\x", "")) for part in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', word)
        )

    def text(self, index: int) -> str:
        """Return an argument that is a path."""
        return self.data(index).decode("utf-8", "surrogateescape")

    def octal(self, index: int) -> int:
        """Return an argument that is a mode."""
        return int(self.words[index], 8)

    def number(self, index: int) -> int:
        """Return an argument that is a descriptor."""
        return int(self.words[index])

    def flags(self, index: int) -> frozenset[str]:
        """Return an argument that is flags, by name."""
        return frozenset(self.words[index].split("|"))


def calls(lines: Iterable[str]) -> Iterator[Call]:
    """Yield the calls that succeeded, each where it ended; a ``close`` where it began, which frees its number.

    Args:
        lines: Lines of strace's output, of all threads together.

    Raises:
        ValueError: A line is none that strace is known to write.
    """
    begun: dict[int, str] = {}
    for line in lines:
        match = _LINE.fullmatch(line.rstrip("\n"))
        if match is None:
            raise ValueError(f"not a line of strace: {line[:120]}")
        thread, said = int(match[1]), match[2]
        if said.startswith(("+++", "---")):
            continue
        if said.endswith(_UNFINISHED):
            begun[thread] = said = said.removesuffix(_UNFINISHED)
            if said.startswith("close("):
                yield Call(thread, "close", (said.removeprefix("close(").strip(),), 0)
            continue
        if resumed := _RESUMED.fullmatch(said):
            said = begun.pop(thread) + resumed[2]
            if resumed[1] == "close":
                continue
        whole = _WHOLE.fullmatch(said)
        if whole is None:
            raise ValueError(f"not a call as strace tells it: {said[:120]}")
        if whole[3] != "?" and (result := int(whole[3], 0)) >= 0:
            yield Call(thread, whole[1], tuple(_split(whole[2])), result)


def _split(words: str) -> Iterator[str]:
    """Yield arguments; commas inside brackets do not part them. Strings are hexadecimal and hold neither."""
    depth = start = 0
    for match in re.finditer(r"[\[\]{}(),]", words):
        sign = match[0]
        if sign in "[{(":
            depth += 1
        elif sign in "]})":
            depth -= 1
        elif depth == 0:
            yield words[start : match.start()].strip()
            start = match.end()
    if words[start:].strip():
        yield words[start:].strip()
