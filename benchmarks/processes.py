"""What other processes use, read from ``/proc``: cores while they work, and memory. Linux alone tells this."""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CpuClock", "Usage", "cpu_seconds", "is_known", "tree", "tree_peak_mib"]

_PROC = Path("/proc")


def is_known() -> bool:
    """Return whether this system tells."""
    return (_PROC / "self" / "stat").exists()


def tree(pid: int) -> dict[int, int]:
    """Return a process and those that descend from it: how many generations below ``pid`` each is."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children[int(fields[1])].append(int(entry.name))
    found, ahead = {pid: 0}, [pid]
    while ahead:
        parent = ahead.pop()
        for child in children[parent]:
            found[child] = found[parent] + 1
            ahead.append(child)
    return found


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used, user and system; 0 when it is gone."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def tree_peak_mib(pid: int) -> float:
    """Return the sum of the peaks of resident memory of a process and its descendants, MiB.

    Pages that they share count in each.
    """
    return sum(_peak_kib(each) for each in tree(pid)) / 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds of a run's processes at one moment (seconds of the epoch)."""

    at: float
    coordinator: float
    workers: float
    double: float


@dataclass(slots=True)
class CpuClock:
    """Notes now and then what a run has used.

    Attributes:
        double: The process that answers the run.
        notes: What was read.
    """

    double: int
    notes: list[Usage] = field(default_factory=list)

    def read(self, run: int) -> None:
        """Note what has been used up to now by a run and its key workers."""
        if not is_known():
            return
        coordinator = workers = 0.0
        for pid, generation in tree(run).items():
            # Key workers are children of the fork server, which is a child of the coordinator.
            if generation >= 2:
                workers += cpu_seconds(pid)
            else:
                coordinator += cpu_seconds(pid)
        self.notes.append(Usage(time.time(), coordinator, workers, cpu_seconds(self.double)))

    def between(self, begin: float, end: float) -> Usage | None:
        """Return what was used between two moments, as far as notes tell; ``at`` is for how many seconds."""
        inside = [note for note in self.notes if begin <= note.at <= end]
        if len(inside) < 2:
            return None
        first, last = inside[0], inside[-1]
        return Usage(
            last.at - first.at,
            last.coordinator - first.coordinator,
            last.workers - first.workers,
            last.double - first.double,
        )


def _stat(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` after the name, or nothing when the process is gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    # The name stands in parentheses and may hold anything, parentheses too (proc(5)).
    return text.rpartition(")")[2].split()


def _peak_kib(pid: int) -> int:
    try:
        text = (_PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s*(\d+) kB", text, re.MULTILINE)
    return int(found[1]) if found else 0
