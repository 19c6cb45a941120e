"""The end of a run on a terminal: what became of the devices, why some failed, and how to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pipeline.durations import clock_time
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from pipeline.report import Group, Summary

__all__ = ["print_result"]

_GROUPS = 10
_LONGEST = 4096
"""Characters of a path or a command that are printed at most: Linux's PATH_MAX."""


def print_result(summary: Summary, console: Console, resume: str | None) -> None:
    """Print a run's end.

    Args:
        summary: What the reports say.
        console: Where to.
        resume: The command that goes on with the run, printed where something is left to do.
    """
    console.print(_headline(summary))
    console.print(_numbers(summary))
    for group in summary.failures[:_GROUPS]:
        console.print(_failure(group))
    if len(summary.failures) > _GROUPS:
        console.print(Text(f"{len(summary.failures) - _GROUPS:,} more causes are in the reports", "red"))
    for label, place in (("bundles", summary.folder.devices), ("reports", summary.folder.root)):
        _whole(console, f"{label:<8} {place}")
    if resume and not (summary.is_finished or summary.outcomes["revoked"]):
        console.print(Text("to go on, run"))
        _whole(console, f"  {resume}")


def _headline(summary: Summary) -> Text:
    headline = Text(f"{summary.run}: ", "bold")
    return headline.append(summary.verdict, "bold green" if summary.is_finished else "bold yellow")


def _numbers(summary: Summary) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(justify="right", overflow="fold")
    for label, value in _rows(summary):
        table.add_row(Text(label), Text(value))
    return table


def _rows(summary: Summary) -> Iterator[tuple[str, str]]:
    usage = summary.usage
    for state, number in summary.states.items():
        if number:
            yield state, f"{number:,}"
    if summary.outcomes["skipped"]:
        yield "of these, skipped", f"{summary.outcomes['skipped']:,}"
    yield "certificates issued", f"{usage.issued:,}"
    yield "throttles", f"{sum(usage.throttles.values()):,}"
    if usage.seconds is not None:
        yield "duration", clock_time(usage.seconds)
    if usage.devices_per_second is not None:
        yield "devices/s", f"{usage.devices_per_second:.1f}"


def _failure(group: Group) -> Text:
    """Return a cause, an example of it and the advice; it may take several lines."""
    example = group.things[0]
    which = example if group.count == 1 else f"{group.count:,} devices, for instance {example}"
    text = Text()
    text.append(printable(group.code), "bold red").append(f" · {which}: {group.message}")
    return text.append(f"\n  {group.advice}", "cyan") if group.advice else text


def _whole(console: Console, text: str) -> None:
    """Print text that must stay on one line to be copied, whatever the width."""
    console.print(Text(printable(text, _LONGEST)), soft_wrap=True)
