"""What became of each file of a traced process and its children, and what would have let others at a key.

A file is known here by what it is, not by its name: a temporary file that is given another name, alone or with
the folder around it, stays the same one. So what is found in a file at the end tells of all its life.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.hygiene.calls import calls
from tests.hygiene.descriptors import Descriptors, Opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.hygiene.calls import Call

__all__ = ["File", "Trace"]

OTHERS = 0o077
"""The bits of a mode by which anybody but the owner may do something."""


@dataclass(eq=False)
class File:
    """A file or folder that was made or opened for writing while it was traced.

    Attributes:
        name: The last name it had.
        mode: The last mode it was given; None where it was there before and nobody said.
        is_folder: Whether it is a folder.
        data: Everything that was written into it, in the order of the calls.
        faults: What would let others at it, or at what it held before, if it holds a key.
    """

    name: str
    mode: int | None
    is_folder: bool = False
    data: bytearray = field(default_factory=bytearray)
    faults: list[str] = field(default_factory=list)


class Trace:
    """Follows calls.

    The umask is taken to be 0 throughout, whatever processes set it to: no mode may rest on it.

    Args:
        lines: What strace wrote.
        here: Where the traced command was started.

    Attributes:
        files: Every file that was made or written, the removed ones included.
        elsewhere: What was written to anything but a file, by thread and descriptor: pipes, sockets, terminals.

    Raises:
        ValueError: Something was called that cannot be followed.
    """

    def __init__(self, lines: Iterable[str], here: str) -> None:
        self.files: list[File] = []
        self.elsewhere: dict[tuple[int, int], bytearray] = defaultdict(bytearray)
        self._here = here
        self._names: dict[str, File] = {}
        followed = list(calls(lines))
        self._open = Descriptors(followed)
        for call in followed:
            self._follow(call)

    def faults(self, bears: Callable[[File], bool]) -> list[str]:
        """Return what was wrong with files that bear a key, each with the file's name."""
        return [
            f"{file.name}: {fault}" for file in self.files if file.faults and bears(file) for fault in file.faults
        ]

    def _follow(self, call: Call) -> None:
        # ``openat`` differs from ``open`` in that a folder comes before each name.
        plain = {"renameat2": "rename", "creat": "open", "fchmodat": "chmod"}.get(call.name, call.name)
        plain = plain.removesuffix("at") if plain != "creat" else plain
        at = call.name not in {plain, "creat"}
        match plain:
            case "chdir" if call.text(0) == self._here:
                pass
            case "chdir" | "fchdir" | "openat2" | "mknod":
                raise ValueError(f"{call.name} is not followed here")
            case "open":
                self._opened(call, at)
            case "mkdir":
                self._new(File(self._path(call, at), call.octal(-1), is_folder=True))
            case "rename" | "link" | "unlink" | "rmdir":
                self._named(plain, call, at)
            case "chmod" | "fchmod" | "truncate" | "ftruncate":
                self._changed(plain, call, at)
            case "sendfile" | "copy_file_range" | "splice":
                self._copied(call)
            case _ if plain.startswith(("write", "pwrite", "send")):
                self._written(call)
            case _:
                self._open.follow(call)

    # Names.

    def _path(self, call: Call, at: bool, nth: int = 0) -> str:
        """Return the nth path that a call is about."""
        folder, index = (2 * nth, 2 * nth + 1) if at else (None, nth)
        name, base = call.text(index), self._here
        if not name.startswith("/") and folder is not None and call.words[folder] != "AT_FDCWD":
            base = self._open.of(call.thread)[call.number(folder)].name
        return posixpath.normpath(posixpath.join(base, name))

    def _new(self, file: File) -> File:
        self.files.append(file)
        self._names[file.name] = file
        self._placed(file)
        return file

    def _placed(self, file: File) -> None:
        """Note it where the folder that a file stands in can be entered by others."""
        above = self._names.get(posixpath.dirname(file.name))
        if above is None or above.mode is None or above.mode & OTHERS:
            file.faults.append(f"stands in {posixpath.dirname(file.name)}, which others may enter")

    def _named(self, plain: str, call: Call, at: bool) -> None:
        old = self._path(call, at)
        if plain in {"unlink", "rmdir"}:
            self._names.pop(old, None)
            return
        new, file = self._path(call, at, 1), self._names.get(old)
        if plain == "rename":
            for name in [name for name in self._names if name == old or name.startswith(f"{old}/")]:
                moved = self._names[new + name.removeprefix(old)] = self._names.pop(name)
                moved.name = new + name.removeprefix(old)
        if file is not None:
            self._names[new], file.name = file, new
            self._placed(file)

    def _changed(self, plain: str, call: Call, at: bool) -> None:
        """A mode or a length was changed."""
        file = self._file(call) if plain.startswith("f") else self._names.get(self._path(call, at))
        if file is None:
            return
        if plain.endswith("truncate"):
            file.faults.append("truncated")
            return
        mode = file.mode = call.octal(1 + at)
        if mode & OTHERS:
            file.faults.append(f"mode changed to {mode:04o}")
            for name, inner in self._names.items():
                if posixpath.dirname(name) == file.name:
                    inner.faults.append(f"its folder's mode changed to {mode:04o}")

    # Content.

    def _file(self, call: Call, index: int = 0) -> File | None:
        found = self._open.of(call.thread).get(call.number(index))
        return None if found is None else found.file

    def _opened(self, call: Call, at: bool) -> None:
        name = self._path(call, at)
        flags = frozenset({"O_WRONLY", "O_CREAT", "O_TRUNC"}) if call.name == "creat" else call.flags(1 + at)
        file = self._names.get(name)
        if flags & {"O_TMPFILE", "O_CREAT"} and (file is None or "O_EXCL" in flags):
            file = self._new(File(name, call.octal(-1)))
            if "O_EXCL" not in flags:
                file.faults.append("made without O_EXCL")
            if call.octal(-1) & OTHERS:
                file.faults.append(f"made with mode {call.octal(-1):04o}")
        elif flags & {"O_WRONLY", "O_RDWR"}:
            file = file or self._new(File(name, None))
            file.faults.append("truncated" if "O_TRUNC" in flags else "opened for writing when it was there")
        self._open.of(call.thread)[call.result] = Opened(name, file, "O_CLOEXEC" in flags)

    def _written(self, call: Call) -> None:
        data = call.data(1) if call.name == "sendmmsg" else call.data(1)[: call.result]
        file = self._file(call)
        if file is not None:
            file.data += data
        elif call.number(0) not in self._open.of(call.thread):
            self.elsewhere[call.thread, call.number(0)] += data

    def _copied(self, call: Call) -> None:
        source, target = (1, 0) if call.name == "sendfile" else (0, 2)
        read, written = self._file(call, source), self._file(call, target)
        if written is not None:
            written.faults.append(f"filled by {call.name}")
            written.data += read.data if read is not None else b""
