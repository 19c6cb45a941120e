"""How to go on with a run that has something left to do: the command, or a sentence where that is not known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.history import About
    from pipeline.report.summary import Summary

__all__ = ["GoingOn", "going_on"]

_SAME = "the same command again"
_WHOLE = "the whole manifest again, with the same options"


@dataclass(frozen=True, slots=True)
class GoingOn:
    """How to go on.

    Attributes:
        words: What it is for, ``to go on, run``; and what to run, where there is no command.
        command: The command, quoted for a shell and printable, or "".
    """

    words: str
    command: str


def going_on(summary: Summary) -> GoingOn | None:
    """Return how to go on with a run, or None where nothing is left to do, or some of it was taken back for good.

    The list of a run's failures names no device that is open, and is gone once none has failed. Then the last
    command that had the whole manifest is the one that goes on. Joint reports are no run: each of theirs says it.
    """
    if summary.origins:
        return None
    if summary.begun.left:
        return GoingOn(
            "to end the revoke, run with the options of the account", summary.begun.commands(summary.run)
        )
    if summary.is_finished or summary.outcomes["revoked"] or not summary.processes:
        return None
    words = "to go on, run" if summary.outcomes["open"] else "once what failed is mended, run"
    last = summary.usage.about
    if not last.partial or (not summary.outcomes["open"] and _is_there(last, summary)):
        return _told(words, last.command, _SAME)
    whole = next((usage.about for usage in reversed(summary.processes) if not usage.about.partial), None)
    return _told(words, whole.command if whole is not None else "", _WHOLE)


def _is_there(about: About, summary: Summary) -> bool:
    """Whether the list of failures that a process was given is there again."""
    return (summary.folder.root / Path(about.options.get("manifest", "")).name).is_file()


def _told(words: str, command: str, otherwise: str) -> GoingOn:
    return GoingOn(words if command else f"{words} {otherwise}", command)
