"""A TOML file cut at its ``[[thing]]`` and ``[[target]]`` headers, so that a long one is parsed table by table.

``tomllib`` wants a whole document and tells no positions. Each ``[[thing]]`` with what is under it is a document
of its own too, so it is parsed alone, and where a key stands is looked up in its few lines of text.
"""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.manifest.lines import RECORD_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.manifest.lines import Lines

__all__ = ["Table", "TableError", "parse_table", "tables"]

_THING, _TARGET = (rf"""(?:{name}|"{name}"|'{name}')[ \t]*""" for name in ("thing", "target"))
_HEADER = re.compile(rf"[ \t]*\[\[[ \t]*(?:{_THING}|{_TARGET}|{_TARGET}\.[ \t]*{_THING})\]\]")
# A string that is not closed ends with its line, so that each character of a line is looked at once.
_TOKEN = re.compile(r'''"""|\'{3}|"(?:[^"\\]|\\.?)*+(?:"|$)|'[^']*+(?:'|$)|#.*''')
_CLOSING = {'"""': re.compile(r'(?:[^"\\]|\\.|"(?!""))*"""'), "'''": re.compile(r"(?:[^']|'(?!''))*'''")}
_KEY = re.compile(r"""(?:^|[{,.])[ \t]*("[^"\n]*"|'[^'\n]*'|[\w-]++)[ \t]*=[ \t]*""", re.MULTILINE)
# The time that tomllib takes for a dotted key grows with the square of its parts. No attribute's value, of 800
# characters at most, looks like a key of so many.
_DOTTED = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*"|'[^'\n]*')[ \t]*+\.[ \t]*+){401}""")
_AT = re.compile(r"\(at (?:line (\d+), column (\d+)|end of document)\)$")


class TableError(ValueError):
    """A table that is not TOML, with line and column in the file."""

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.column = column


class Table(NamedTuple):
    """A piece of the file: what comes before the first ``[[thing]]`` or ``[[target]]``, or one of them.

    Attributes:
        line: The line it begins on, from 1.
        text: Its lines.
        is_thing: Whether it begins with ``[[thing]]``, ``[[target]]`` or ``[[target.thing]]``.
    """

    line: int
    text: str
    is_thing: bool

    def position(self, key: str, header: str | None = None) -> tuple[int, int]:
        """Return line and column at which the value of a key begins, or where the table does.

        A look-up by pattern: ``key = value`` on a line of its own, dotted, or in an inline table.

        Args:
            key: The key as it was parsed.
            header: The table that the key is in, where that is another than the piece's own.
        """
        start = _header_end(self.text, header) if header is not None else 0
        places = _keys(self.text).get(key, ())
        at = next((place for place in places if place >= start), next(iter(places), None))
        if at is None:
            indent = len(self.text) - len(self.text.lstrip())
            at = indent if indent < len(self.text) else 0
        return _position(self.line, self.text, at)


@lru_cache(maxsize=2)
def _keys(text: str) -> dict[str, list[int]]:
    """Return where the values of each key begin; worked out once, since each key of a table may be faulty."""
    found: dict[str, list[int]] = {}
    for match in _KEY.finditer(text):
        found.setdefault(match[1].strip("\"'"), []).append(match.end())
    return found


@lru_cache(maxsize=2)
def _header_end(text: str, header: str) -> int:
    """Return where the header of a table ends, or 0 where there is none."""
    found = re.search(rf"^[ \t]*\[[ \t]*[\w.\"' -]*\b{re.escape(header)}[\"']?[ \t]*\]", text, re.MULTILINE)
    return 0 if found is None else found.end()


def tables(lines: Lines) -> Iterator[Table]:
    """Cut a file into pieces. Pieces with damaged lines are left out: those lines are faults already.

    Raises:
        TableError: A piece is longer than any can need, or a string of several lines is never closed; what
            follows cannot be told apart then.
    """
    taken: list[str] = []
    first, length, quote = 1, 0, ""
    is_thing, is_whole = False, True
    for line in lines:
        if not quote and _HEADER.match(line):
            if is_whole:
                yield Table(first, "\n".join(taken), is_thing)
            first, taken, length, is_thing, is_whole = lines.number, [], 0, True, True
        is_whole = is_whole and lines.damaged != lines.number
        taken.append(line)
        length += len(line) + 1
        quote = _open_quote(line, quote)
        if length > RECORD_LIMIT:
            raise TableError(first, 1, f"this table is longer than {RECORD_LIMIT:,} characters, or never closed")
    if is_whole:
        yield Table(first, "\n".join(taken), is_thing)


def _open_quote(line: str, quote: str) -> str:
    """Return the quote of the multi-line string that is open after a line, given the one open before it."""
    at = 0
    while True:
        if quote:
            closing = _CLOSING[quote].match(line, at)
            if closing is None:
                return quote
            quote, at = "", closing.end()
        opening = _TOKEN.search(line, at)
        if opening is None:
            return ""
        at = opening.end()
        if opening.group() in _CLOSING:
            quote = opening.group()


def parse_table(table: Table) -> dict[str, Any]:
    """Return a piece as tomllib reads it.

    Raises:
        TableError: It is not TOML.
    """
    if (dotted := _DOTTED.search(table.text)) is not None:
        at_line, at_column = _position(table.line, table.text, dotted.start())
        raise TableError(at_line, at_column, "this key has more than 400 parts")
    try:
        return tomllib.loads(table.text)
    except tomllib.TOMLDecodeError as error:
        reason = str(error)
        at = _AT.search(reason)
        shown = reason if at is None else reason[: at.start()].strip()
        line, column = _position(table.line, table.text, len(table.text))
        if at is not None and at[1]:
            line, column = table.line + int(at[1]) - 1, int(at[2])
        raise TableError(line, column, f"this is not TOML: {shown}") from error
    except RecursionError as error:
        raise TableError(table.line, 1, "this TOML is nested too deeply") from error
    except ValueError as error:
        raise TableError(table.line, 1, f"this is not TOML: {error}") from error


def _position(line: int, text: str, at: int) -> tuple[int, int]:
    return line + text.count("\n", 0, at), at - text.rfind("\n", 0, at)
