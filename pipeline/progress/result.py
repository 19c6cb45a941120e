"""The end of a run on a terminal: what report.html says in about ten lines, where that is, and how to go on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.cells import cell_len, chop_cells
from rich.style import Style
from rich.text import Text

from pipeline.counting import counted, plural, verb
from pipeline.device import State
from pipeline.durations import clock_time
from pipeline.report import FAILED_CSV, FAILED_JSONL, REPORT_HTML, SUMMARY_CSV, going_on
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from pipeline.report import Group, Summary

__all__ = ["print_result"]

_GROUPS = 10
_LIMITS = 3
"""Limits of the pace that are named at most."""

_LONGEST = 4096
"""Characters of a path or a command that are printed at most: Linux's PATH_MAX."""

_WIDE = 14
"""Characters that labels take: the longest and two blanks."""

_FILES = (REPORT_HTML, FAILED_CSV, FAILED_JSONL, SUMMARY_CSV)
_HEADLINES = {True: "bold green", False: "bold yellow", None: "bold"}
_STYLES = {"done": "green", "failed": "bold red", "throttles": "yellow"}


def print_result(summary: Summary, console: Console) -> None:
    """Print a run's end.

    Args:
        summary: What the reports say.
        console: Where to. Paths can be clicked where it is a terminal.
    """
    _wrapped(console, _headline(summary))
    for row in _rows(summary):
        console.print(_row(row, console.width), soft_wrap=True)
    for group in summary.failures[:_GROUPS]:
        _wrapped(console, _failure(group))
        if group.advice:
            _wrapped(console, Text(group.advice, "cyan"), indent=2)
    if (more := len(summary.failures) - _GROUPS) > 0:
        _wrapped(console, Text(f"{more:,} more {plural('cause', more)} {verb('are', more)} in the reports", "red"))
    for label, place in _places(summary):
        _path(console, label, place)
    if (further := going_on(summary)) is not None:
        _wrapped(console, Text(further.words))
        if further.command:
            _whole(console, Text(f"  {printable(further.command, _LONGEST)}"))


def _headline(summary: Summary) -> Text:
    headline = Text(f"{summary.run}: ", "bold")
    return headline.append(summary.verdict, _HEADLINES[summary.is_good])


def _row(row: tuple[str, str], width: int) -> Text:
    """Return a label and its value, which goes on below itself where it has no room; no blank ends a line."""
    label, value = row
    lines = _folded(value, max(width - _WIDE, _WIDE))
    return Text(f"{label:<{_WIDE}}").append(f"\n{'':{_WIDE}}".join(lines), _STYLES.get(label, ""))


def _folded(value: str, room: int) -> Iterator[str]:
    """Yield lines of so many cells; one ends after a comma where that will do, and never before a ``%``."""
    line = ""
    for part in re.split(r"(?<=,) ", value):
        for word in [part] if cell_len(part) <= room else re.split(r" (?!%)", part):
            joined = f"{line} {word}" if line else word
            if line and cell_len(joined) > room:
                yield from chop_cells(line, room)
                joined = word
            line = joined
    yield from chop_cells(line, room)


def _rows(summary: Summary) -> Iterator[tuple[str, str]]:
    for outcome, number in summary.outcomes.items():
        if number:
            yield outcome, f"{number:,}{_standing(summary) if outcome == 'open' else ''}"
    if summary.issued:
        yield "certificates", f"{summary.issued:,} issued"
    throttles = summary.pace.throttles
    if throttles:
        worst = max(throttles, key=lambda api: throttles[api])
        most = "all" if len(throttles) == 1 else f"{throttles[worst]:,}"
        yield "throttles", f"{sum(throttles.values()):,}, {most} by {printable(worst)}"
    yield from _pace(summary)


def _standing(summary: Summary) -> str:
    """Say at which states the devices stand that are still under way."""
    # One that was skipped may stand at any state, too: then the states would not add up to what is open.
    if summary.outcomes["skipped"]:
        return ""
    at = {name: number for name, number in summary.states.items() if number and name in _UNDER_WAY}
    if len(at) == 1:
        return f" at {next(iter(at))}"
    return f" ({', '.join(f'{number:,} {name}' for name, number in at.items())})" if at else ""


_UNDER_WAY = frozenset(state.name for state in State if state is not State.DONE)


def _pace(summary: Summary) -> Iterator[tuple[str, str]]:
    """How long all processes took, how fast that was, and what held it."""
    pace = summary.pace
    if not pace.seconds:
        return
    took = clock_time(pace.seconds)
    if len(summary.processes) > 1:
        took += f" in {len(summary.processes):,} processes"
    if done := sum(bar.done for bar in pace.bars):
        took += f", {done / pace.seconds:.1f} devices/s"
    yield "took", took
    shares = {name: share for name, share in pace.ruled.items() if share >= 0.005}
    if shares:
        named = [f"{printable(name)} {100 * share:.0f} %" for name, share in list(shares.items())[:_LIMITS]]
        yield "held by", ", ".join(named)


def _failure(group: Group) -> Text:
    """Return a cause and an example of it; it may take several lines."""
    example = group.things[0]
    which = example if group.count == 1 else f"{counted(group.count, 'device')}, for instance {example}"
    return Text().append(printable(group.code), "bold red").append(f" · {which}: {group.message}")


def _places(summary: Summary) -> Iterator[tuple[str, Path]]:
    """Yield where bundles and reports are, those that are there."""
    folder = summary.folder
    if folder.devices.is_dir():
        yield "bundles", folder.devices
    for name in _FILES:
        if (folder.root / name).is_file():
            yield name, folder.root / name


def _path(console: Console, label: str, place: Path) -> None:
    shown = Text(printable(str(place), _LONGEST))
    if console.file.isatty() and not console.is_dumb_terminal:
        # What a terminal opens is made of the bytes of the path, each that could mean something percent-encoded.
        shown.stylize(Style(link=place.absolute().as_uri()))
    _whole(console, Text(f"{label:<{_WIDE}}").append_text(shown))


def _wrapped(console: Console, text: Text, indent: int = 0) -> None:
    """Print text on as many lines as it needs, none of which ends with a blank."""
    for line in text.wrap(console, max(console.width - indent, 1), overflow="fold"):
        line.rstrip()
        line.pad_left(indent)
        console.print(line, soft_wrap=True)


def _whole(console: Console, text: Text) -> None:
    """Print text that must stay on one line to be copied, whatever the width."""
    console.print(text, soft_wrap=True)
