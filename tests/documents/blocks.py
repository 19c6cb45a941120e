"""The commands that a document shows, each with the output that it shows for them.

Where lines of a fenced block begin with ``$ ``, these are commands, and what follows each is its output. Where
every line begins with a program that is known (``_PROGRAMS``), every line is a command, and no output is shown,
unless the block's info string says that it is something else. Any other block holds none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Block", "Command", "blocks_of", "first_of", "spans_of"]

_SHELLS = frozenset({"", "bash", "console", "sh", "shell"})
"""Info strings of blocks that may hold commands without a prompt."""

_PROGRAMS = """
    age age-keygen aws cat cd chmod configure_esp_secure_cert.py cp cut diff docker echo esptool.py export git grep
    head jq kubectl ls make mkdir openssl pip printf python python3 rm sed seq sort sudo tail tar thingmill umask
    unzip wc
"""
"""What a line begins with that is a command."""

_PROMPT = "$ "
_FENCE = re.compile(r"( *)(`{3,}|~{3,})([^`]*)")
_SPAN = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        text: As a shell gets it: its lines joined, the comment at its end cut off.
        line: Where it begins in the document, from 1.
        shown: The output that the document shows, or None where it shows none.
    """

    text: str
    line: int
    shown: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """The commands of one fenced block, in order. A reader runs them one after another in one shell."""

    commands: tuple[Command, ...]


def blocks_of(document: str) -> list[Block]:
    """Return the blocks of a document that hold commands."""
    found = []
    for info, first, lines in _fenced(document.splitlines()):
        commands = _prompted(lines, first) or (_bare(lines, first) if info in _SHELLS else [])
        found += [Block(tuple(commands))] if commands else []
    return found


def first_of(document: str, info: str) -> str:
    """Return the text of the first block with this info string."""
    return next(
        "".join(f"{line}\n" for line in lines)
        for found, _, lines in _fenced(document.splitlines())
        if found == info
    )


def spans_of(document: str, program: str) -> list[Command]:
    """Return what stands between single backticks and begins with a program's name and a space."""
    prose = document.splitlines()
    for _, first, lines in _fenced(prose):
        prose[first - 1 : first - 1 + len(lines)] = [""] * len(lines)
    text = "\n".join(prose)
    return [
        Command(" ".join(span.group(1).split()), text.count("\n", 0, span.start()) + 1)
        for span in _SPAN.finditer(text)
        if span.group(1).split()[:2][0] == program and len(span.group(1).split()) > 1
    ]


def _fenced(lines: list[str]) -> Iterator[tuple[str, int, list[str]]]:
    """Yield the info string, the number of the first line and the lines of each fenced block.

    Raises:
        AssertionError: A fence is not closed.
    """
    number = 0
    while number < len(lines):
        number += 1
        fence = _FENCE.fullmatch(lines[number - 1])
        if fence is None:
            continue
        indent, mark, info = fence.groups()
        end = next((later for later in range(number, len(lines)) if lines[later].strip() == mark), None)
        assert end is not None, f"the fence in line {number} is not closed"
        yield info.strip(), number + 1, [line.removeprefix(indent) for line in lines[number:end]]
        number = end + 1


def _prompted(lines: list[str], first: int) -> list[Command]:
    """Return the commands behind prompts, with what follows each; none where there is no prompt."""
    starts = [index for index, line in enumerate(lines) if line.startswith(_PROMPT)]
    found = []
    for start, end in pairwise([*starts, len(lines)]):
        rest = iter(lines[start:end])
        text = _joined(next(rest).removeprefix(_PROMPT), rest)
        shown = _stripped(list(rest))
        found.append(Command(text, first + start, tuple(shown) or None))
    return found


def _bare(lines: list[str], first: int) -> list[Command]:
    """Return a command for each line, or none where a line is something else."""
    found, rest = [], enumerate(lines)
    for index, line in rest:
        if not _uncommented(line):
            continue
        text = _joined(line, (following for _, following in rest))
        if text.split()[0] not in _PROGRAMS.split():
            return []
        found.append(Command(text, first + index))
    return found


def _joined(line: str, rest: Iterable[str]) -> str:
    """Return a command with the lines that continue it, taken from the others."""
    others = iter(rest)
    parts = [_uncommented(line)]
    while parts[-1].endswith("\\"):
        parts[-1] = parts[-1][:-1].rstrip()
        parts.append(_uncommented(next(others).removeprefix("> ").strip()))
    return " ".join(parts)


def _uncommented(line: str) -> str:
    """Return a line without its comment. In this project's documents no quoted text holds a space and a hash."""
    return re.sub(r"(?:^|\s+)#\s.*", "", line).rstrip()


def _stripped(lines: list[str]) -> list[str]:
    """Return lines without empty ones at the end."""
    while lines and not lines[-1].strip():
        lines.pop()
    return lines
