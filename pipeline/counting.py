"""Numbers of things in sentences: ``1 device is``, ``1,000 devices are``.

>>> counted(1, "device"), counted(1000, "device"), counted(2, "policy")
('1 device', '1,000 devices', '2 policies')
"""

from __future__ import annotations

__all__ = ["counted", "plural", "verb"]

_ONE = {"are": "is", "have": "has", "were": "was"}


def counted(number: int, noun: str) -> str:
    """Return a number and what it counts, in the form that goes with it.

    Args:
        number: How many.
        noun: The word for one of them; where it is several words, the last is the one that changes.
    """
    return f"{number:,} {plural(noun, number)}"


def plural(noun: str, number: int) -> str:
    """Return the word for so many, given the word for one.

    >>> plural("billing group", 3), plural("key", 2), plural("certificate", 1)
    ('billing groups', 'keys', 'certificate')
    """
    if number == 1:
        return noun
    # A "y" after a vowel stays: keys.
    if noun.endswith("y") and noun[-2:-1] not in set("aeiou"):
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def verb(many: str, number: int) -> str:
    """Return the verb that goes with so many, given the one for several.

    >>> verb("are", 1), verb("are", 0), verb("need", 1)
    ('is', 'are', 'needs')
    """
    return many if number != 1 else _ONE.get(many, f"{many}s")
