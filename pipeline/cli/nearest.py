"""What somebody may have meant by a word that is not known."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

from pipeline.text import hidden_at

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["did_you_mean"]

_MOST = 3
_LONGEST = 200
"""Characters of a word that something is looked for: no name is longer, and the time grows with the square."""

_CANDIDATES = 2000


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean NAME?`` with the nearest of what is known, or "" where nothing is near.

    Args:
        word: What was given.
        known: Names. Those that would not show as they are on a terminal are left out: nobody could copy them.

    >>> did_you_mean("lnie-7", ["line-7", "demo"]), did_you_mean("x", ["demo"])
    ('did you mean line-7?', '')
    """
    if len(word) > _LONGEST:
        return ""
    near = get_close_matches(word, [name for name in islice(known, _CANDIDATES) if hidden_at(name) is None], _MOST)
    return f"did you mean {' or '.join(near)}?" if near else ""
