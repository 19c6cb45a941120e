"""Text that nobody means well with, and what must hold of whatever quotes it.

The judges here know nothing of ``pipeline.text``: they say what a terminal and a spreadsheet act on.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from typing import Any

from hypothesis import strategies as st

__all__ = [
    "CORPUS",
    "FORMULAS",
    "HUGE",
    "acting_in",
    "cells_of",
    "formulas_in",
    "hostile_texts",
    "objects_of",
    "strays_on_a_terminal",
]

OSC_52 = "\x1b]52;c;ZXZpbA==\x07"
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")

CORPUS = {
    "sets the clipboard": OSC_52,
    "markup": "[bold red]x[/bold red] [link=https://evil.example]y[/link] [/] [",
    "emoji codes": ":bomb: :boom:",
    "sets the clipboard, C1": "\x9d52;c;ZXZpbA==\x9c",
    "sets the title": "\x1b]0;root@line-7\x1b\\",
    "a link": "\x1b]8;;https://evil.example/\x1b\\click\x1b]8;;\x1b\\",
    "device control": '\x1bP$q"p\x1b\\',
    "clears the screen": "\x1b[2J\x1b[H",
    "concealed and blinking": "\x1b[8mhidden\x1b[5m",
    "moves up and writes over": "\x1b[7A\x1b[2Kall devices are done",
    "reports back": "\x1b[6n\x1b[c",
    "C1 control sequence": "\x9b2J",
    "a line of its own": "no\r\nthingmill: all 12 devices are done\x0b\x0c\x85\u2028\u2029",
    "backspaces": "no\b\byes\x7f",
    "bell and NUL": "\a\0",
    "right to left": "\u202egpj.exe\u202c \u2066x\u2069 \u200f",
    "zero width": "pump\u200b-\u200d001\ufeff\u2060",
    "blank letters": "a\u3164b\u115fc\u2800d\u034fe\ufe0ff",
    "tags": "x\U000e0041\U000e0042\U000e007f",
    "a heap of marks": "e" + "\u0301\u0325\u0489" * 40,
    "marks first": "\u0336\u0336struck",
    "half a pair": "\ud800 \udfff",
    "private and unassigned": "\ue000\U0010ffff\u0378",
    "calls a program": "=cmd|' /C calc'!A0",
    "sums": "@SUM(1+1)*cmd|' /C calc'!A0",
    "plus": "+1+1",
    "minus": "-1+1|cmd",
    "full width": "\uff1d1+1",
    "after a tab": "\t=1+1",
    "after a return": "\r=1+1",
    "behind a semicolon": 'no; =HYPERLINK("https://evil.example")',
    "closes its cell": '","=1+1","',
    "markup of a page": "<script>alert(1)</script>&lt;<!--]]>",
    "a format": "%s%n{0.__class__}{thing}${HOME}",
    "paths": "../../../etc/passwd",
}
"""By what it does where it is not made harmless."""

HUGE = OSC_52 + "A\x1b[2J\u202e=" * 200_000
"""More than a megabyte."""

_ACTING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(code) for code in range(0xFE00, 0xFE10)
}

# What rich draws with: colours and weights (never conceal or blink), the cursor hidden, shown, and up one line at
# a time, a line cleared. A terminal driver writes CR LF for LF.
_RICH = re.compile(
    r"\x1b\[(?:(?:[0-4]|2[1-9]|3[0-9]|4[0-9]|9[0-7]|38;5;\d+|0)?(?:;(?:[0-4]|3[0-9]|4[0-9]|9[0-7]))*m|\?25[lh]|1A|2K)|\r"
)

_pieces = st.sampled_from(list(CORPUS.values())) | st.characters() | st.text(max_size=8)


def hostile_texts(max_size: int = 6) -> st.SearchStrategy[str]:
    """Texts of hostile pieces and any characters, lone surrogates among them."""
    return st.lists(_pieces, min_size=1, max_size=max_size).map("".join)


_LINK = re.compile(r"\x1b\]8;(?:id=[0-9]+;file:///[!-~]*|;)\x1b\\")
"""A hyperlink (OSC 8): its address is a file's, percent-encoded."""


def acting_in(text: str) -> list[str]:
    """Return the characters of a text that are not plainly seen; LF alone is allowed, it ends our own lines."""
    marks, found = 0, []
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category.startswith("M") else 0
        if (category in _ACTING and char != "\n") or char in _BLANKS or marks > 4:
            found.append(f"U+{ord(char):04X}")
    return found


def strays_on_a_terminal(shown: bytes) -> list[str]:
    """Return what a terminal would act on besides what rich itself draws with, and links to files of ours."""
    return acting_in(_RICH.sub("", _LINK.sub("", shown.decode("utf-8"))))


def cells_of(content: bytes) -> list[list[str]]:
    """Return the rows of a CSV file as Python's own reader has them."""
    return list(csv.reader(io.StringIO(content.decode("utf-8"), newline="")))


def formulas_in(cells: list[str]) -> list[str]:
    """Return the cells that a spreadsheet takes for formulas, also where the semicolon separates cells."""
    return [cell for cell in cells if any(part.strip(" '\"").startswith(FORMULAS) for part in _parts(cell))]


def _parts(cell: str) -> list[str]:
    # An apostrophe in front is what makes a cell text.
    return [part for part in cell.split(";") if not part.lstrip(' "').startswith("'")]


def objects_of(lines: str) -> list[Any]:
    """Return the objects of JSON lines, which are pure ASCII."""
    assert lines.isascii()
    assert acting_in(lines) == []
    return [json.loads(line) for line in lines.splitlines()]
