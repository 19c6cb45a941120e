"""Which file a descriptor stands for, in each process of a trace: what was opened, duplicated, inherited, closed.

strace can tell names of descriptors itself (``-y``), but not those of a process that hides from others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.hygiene.calls import Call
    from tests.hygiene.trace import File

__all__ = ["Descriptors", "Opened"]

_MAKES_CHILDREN = frozenset({"clone", "clone3", "fork", "vfork"})


@dataclass(frozen=True)
class Opened:
    """What a descriptor stands for.

    Attributes:
        name: The name it was opened by.
        file: The file, if it was made or written in the trace.
        cloexec: Whether it ends with ``execve``.
    """

    name: str
    file: File | None
    cloexec: bool


class Descriptors:
    """The open descriptors of all processes.

    Args:
        calls: The whole trace: a child may be told of before the call that made it has ended.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        making = [call for call in calls if call.name in _MAKES_CHILDREN]
        self._parents = {call.result: call.thread for call in making}
        self._threads = {call.result for call in making if "CLONE_THREAD" in "|".join(call.words)}
        self._open: dict[int, dict[int, Opened]] = {}

    def of(self, thread: int) -> dict[int, Opened]:
        """Return those of a thread's process: a thread shares its maker's, a new process begins with copies."""
        while thread in self._threads:
            thread = self._parents[thread]
        if thread not in self._open:
            parent = self._parents.get(thread)
            self._open[thread] = {} if parent is None else dict(self.of(parent))
        return self._open[thread]

    def follow(self, call: Call) -> None:
        """Take note of a call that is about descriptors or processes; any other changes nothing."""
        table = self.of(call.thread)
        if call.name == "close":
            table.pop(call.number(0), None)
        elif call.name in {"dup", "dup2", "dup3"}:
            self._duplicate(table, call, cloexec="O_CLOEXEC" in call.words[-1])
        elif call.name == "fcntl" and call.words[1] in {"F_DUPFD", "F_DUPFD_CLOEXEC"}:
            self._duplicate(table, call, cloexec=call.words[1] == "F_DUPFD_CLOEXEC")
        elif call.name in _MAKES_CHILDREN:
            self.of(call.result)  # with what its parent has open now
        elif call.name == "execve":
            for number in [number for number, opened in table.items() if opened.cloexec]:
                del table[number]

    @staticmethod
    def _duplicate(table: dict[int, Opened], call: Call, *, cloexec: bool) -> None:
        old = table.get(call.number(0))
        if old is None:
            table.pop(call.result, None)
        else:
            table[call.result] = replace(old, cloexec=cloexec)
