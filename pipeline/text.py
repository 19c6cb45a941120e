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

import unicodedata

__all__ = ["printable", "spreadsheet_safe"]

# Other, by Unicode: control, format (bidirectional overrides, zero width), surrogate, private, unassigned;
# and the two separators that some programs take for a new line.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# A spreadsheet takes a cell that begins so for a formula (CWE-1236).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def printable(text: str, limit: int = 500) -> str:
    """Return ``text`` with whatever is not plainly visible written as an escape, cut at ``limit`` characters."""
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return text
    cut = len(text) > limit
    shown = "".join(_escape(char) if unicodedata.category(char) in _HIDDEN else char for char in text[:limit])
    return shown + "…" if cut else shown


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def spreadsheet_safe(text: str) -> str:
    """Return free text as a CSV cell that no spreadsheet takes for a formula.

    For messages only: a validated field (a name may begin with ``-``) must come back from ``failed.csv`` as
    it was, and its alphabet has no parenthesis, quote, ``!`` or ``|`` to make a formula of.
    """
    shown = printable(text)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
