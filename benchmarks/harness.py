"""What the benchmarks share: medians with their spread, a table, and the file that keeps the results."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.backends.openssl import backend

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ROOT", "Table", "conditions", "cores", "load", "machine", "median", "record", "spread", "verdict"]

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results.md"

_VERSIONS = ("cryptography", "aiobotocore", "boto3", "aiohttp", "typer")
_HEAD = "# Results\n\nWritten by `python -m benchmarks`; [README.md](README.md) says what is measured and how.\n"


@dataclass(slots=True)
class Table:
    """One table of results.

    Attributes:
        title: What was measured, as a heading.
        columns: Their headers.
        rows: A cell for each column.
        notes: Sentences that belong to the numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Add what belongs to the numbers."""
        self.notes.append(sentence)

    def text(self) -> str:
        """Return the table as Markdown that also reads well on a terminal."""
        lines = [self.columns, *self.rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.columns))]
        drawn = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        rule = " | ".join("-" * width for width in widths)
        body = "\n".join(f"| {line} |" for line in (drawn[0], rule, *drawn[1:]))
        notes = "\n".join(f"- {note}" for note in self.notes)
        return f"## {self.title}\n\n{body}\n\n{notes}\n"


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def spread(values: Sequence[float], digits: int = 1, unit: str = "") -> str:
    """Return ``median (least to most)``, or the one value there is."""
    middle = f"{median(values):,.{digits}f}{unit}"
    if len(values) < 2:
        return middle
    return f"{middle} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def verdict(reached: bool, target: str) -> str:
    """Return a target and whether it was reached."""
    return f"{target}: {'yes' if reached else 'NO'}"


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def load() -> float:
    """Return how many processes wanted a core over the last minute."""
    return os.getloadavg()[0]


def machine() -> str:
    """Return what the numbers were measured on, in one line."""
    versions = ", ".join(f"{name} {version(name)}" for name in _VERSIONS)
    return (
        f"{_cpu()}, {cores()} cores, {platform.system()} {platform.release().split('-')[0]} {platform.machine()}; "
        f"Python {platform.python_version()}, {versions}, "
        f"keys by {' '.join(backend.openssl_version_text().split()[:2])}"
    )


def conditions(load_before: float, seconds: float) -> str:
    """Return when and on what a benchmark ran, as a note."""
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    return (
        f"{today}, thingmill {version('thingmill')} at {_commit()}, {machine()}. "
        f"Load average before: {load_before:.1f}. Took {seconds:.0f} s."
    )


def record(name: str, table: Table) -> None:
    """Put a table into ``results.md``, in place of an earlier one of the same benchmark."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else _HEAD
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    section = f"{begin}\n{table.text()}{end}"
    old = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    text = old.sub(lambda _: section, text) if old.search(text) else f"{text}\n{section}\n"
    RESULTS.write_text(text, encoding="utf-8")


def _cpu() -> str:
    """Return the processor's name."""
    if sys.platform == "darwin":
        asked = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, check=False)
        return asked.stdout.decode().strip() or platform.machine()
    try:
        found = re.search(
            r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE
        )
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _commit() -> str:
    """Return the commit that was measured, with ``-dirty`` where files differ from it."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "an unknown commit"
