r"""The one function that foreign text passes before it reaches a terminal, a CSV cell or HTML.

Names and cells come from a manifest, messages from a server: either may hold escape sequences that move a
cursor, set a clipboard (OSC 52), hide text or turn its direction round. rich strips only a few control
characters, so this is done here, once, and everything printable passes unchanged.

>>> printable("TestThing001")
'TestThing001'
>>> printable("red \x1b[31malert\x07")
'red \\x1b[31malert\\x07'
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["has_formula", "hidden_at", "printable", "printable_lines", "spreadsheet_safe"]

# Other, by Unicode: control, format (bidirectional overrides, zero width), surrogate, private, unassigned;
# and the two separators that some programs take for a new line.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# Letters, marks and symbols that show nothing all the same: those of Unicode's Default_Ignorable_Code_Point
# (DerivedCoreProperties.txt) that the categories above leave out, and the blank of Braille.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

_MARKS = frozenset({"Mn", "Me", "Mc"})
_MOST_MARKS = 4
"""Marks on one character: no script needs more, and a heap of them is drawn over the lines above and below."""

# A spreadsheet takes a cell that begins so for a formula (CWE-1236), Japanese ones also in full width.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

# Where the semicolon separates cells (a matter of the reader's country), it begins one in any text.
_AFTER_SEMICOLON = re.compile(r"(;[ \"']*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")


def printable(text: str, limit: int = 500) -> str:
    """Return ``text`` with whatever is not plainly visible written as an escape, cut at ``limit`` characters.

    An escape takes up to ten characters, so the result has ten times ``limit`` at most, and one for the ``…``.
    """
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    cut = text[:limit]
    shown = "".join(_escape(char) if hide else char for char, hide in zip(cut, _hides(cut), strict=True))
    return shown + "…" if len(text) > limit else shown


def hidden_at(text: str) -> int | None:
    """Return where the first character is that ``printable`` would escape, or None where there is none."""
    return next((index for index, hide in enumerate(_hides(text)) if hide), None)


def _hides(text: str) -> Iterator[bool]:
    """Yield for each character whether it is to be escaped."""
    marks = _MOST_MARKS  # a mark at the beginning would be drawn over what stands before this text
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category in _MARKS else 0
        yield category in _HIDDEN or marks > _MOST_MARKS or _BLANK.match(char) is not None


def printable_lines(text: str, limit: int = 1 << 16) -> str:
    """Return text of several lines, each of them printable and cut at ``limit``; only LF ends a line."""
    return "\n".join(printable(line, limit) for line in text.split("\n"))


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def has_formula(text: str) -> bool:
    """Return whether some spreadsheet takes a cell of this text, or a part of it behind ``;``, for a formula."""
    return _begins_one(text) or _AFTER_SEMICOLON.search(text) is not None


def _begins_one(text: str) -> bool:
    # A reader that is careless with quotes and blanks takes what stands behind them for the cell's begin.
    return text.lstrip('" ').startswith(_FORMULA)


def spreadsheet_safe(text: str) -> str:
    """Return free text as a CSV cell that no spreadsheet takes for a formula.

    An apostrophe goes before a sign that would begin one. For messages, and whatever need not be read back: a
    validated field (a name may begin with ``-``) must come back from ``failed.csv`` as it was
    (``report.failed_csv``).

    >>> spreadsheet_safe("=1+1; @SUM(A1)")
    "'=1+1; '@SUM(A1)"
    """
    shown = _AFTER_SEMICOLON.sub(r"\1'", printable(text))
    return f"'{shown}" if _begins_one(shown) else shown
