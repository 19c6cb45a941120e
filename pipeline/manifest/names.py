"""The alphabets and lengths of AWS IoT names, and a sentence that helps for each text that breaks them.

Source: the patterns of botocore's service model for ``iot`` and the AWS IoT API reference (CreateThing,
CreateThingGroup, CreateThingType, CreateBillingGroup, CreatePolicy, AttributePayload). botocore itself checks
none of them, so a bad name would otherwise only show in the middle of a run.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.counting import counted
from pipeline.text import has_formula, hidden_at, printable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ATTRIBUTE_NAME",
    "ATTRIBUTE_VALUE",
    "BILLING_GROUP",
    "COMMON_NAME_LIMIT",
    "POLICY",
    "THING_GROUP",
    "THING_NAME",
    "THING_TYPE",
    "Rule",
    "common_name_fault",
    "quoted",
]

COMMON_NAME_LIMIT = 64
"""Characters of a common name at most (X.520 ``ub-common-name``, RFC 5280 appendix A.1)."""


def quoted(text: str) -> str:
    """Return foreign text in quotes, safe to print and short enough for a sentence."""
    return f"'{printable(text, 64)}'"


@dataclass(frozen=True)
class Rule:
    """What a name may look like.

    Attributes:
        what: What the name names, as a sentence says it.
        characters: The allowed characters as the inside of a regular expression's class.
        shown: The allowed characters as a person reads them.
        limit: Characters at most.
        least: Characters at least.
        holds: Truthy for text that keeps the rule.
    """

    what: str
    characters: str
    shown: str
    limit: int = 128
    least: int = 1
    holds: Callable[[str], object] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the rule once; ``holds`` runs for every cell of every row."""
        pattern = re.compile(f"[{self.characters}]{{{self.least},{self.limit}}}", re.ASCII)
        object.__setattr__(self, "holds", pattern.fullmatch)

    def fault(self, text: str) -> str:
        """Return what is wrong with text that breaks the rule, and what would be right."""
        if not text:
            return f"{self.what} is empty; {self._right()}"
        match = re.search(f"[^{self.characters}]", text, re.ASCII)
        if match is None:
            return f"{self.what} {quoted(text)} has {counted(len(text), 'character')}; {self._right()}"
        char, at = match.group(), match.start() + 1
        return f"{self.what} {quoted(text)} holds {_named(char)} at character {at}; {self._right()}"

    def _right(self) -> str:
        article = "an" if self.what[0] in "aeiou" else "a"
        length = f"{self.least} to {self.limit}" if self.least else f"up to {self.limit}"
        return f"{article} {self.what} has {length} of {self.shown}"


def _named(char: str) -> str:
    """Name a character; one that could be taken for another gets its code point too."""
    if char.isascii():
        return quoted(char)
    return f"{quoted(char)} (U+{ord(char):04X})"


_NAME = ("a-zA-Z0-9:_-", "a-z A-Z 0-9 : _ -")

THING_NAME = Rule("thing name", *_NAME)
THING_TYPE = Rule("thing type", *_NAME)
THING_GROUP = Rule("group name", *_NAME)
BILLING_GROUP = Rule("billing group name", *_NAME)
POLICY = Rule("policy name", r"\w+=,.@-", "a-z A-Z 0-9 _ + = , . @ -")
ATTRIBUTE_NAME = Rule("attribute name", r"a-zA-Z0-9_.,@/:#-", "a-z A-Z 0-9 _ . , @ / : # -")
ATTRIBUTE_VALUE = Rule(
    "attribute value", r"a-zA-Z0-9_.,@/:#=\[\]-", "a-z A-Z 0-9 _ . , @ / : # = [ ] -", limit=800, least=0
)


def common_name_fault(text: str) -> str | None:
    """Return what is wrong with a common name, or None.

    X.520 allows any text of 1 to 64 characters; libraries that count in bytes of UTF-8 (``cryptography``, which
    makes the CSR, is one) allow fewer where they are not ASCII. What nobody can see (controls, direction marks,
    lone surrogates) is refused: it could not be told apart in the certificate afterwards.
    """
    if len(text) > COMMON_NAME_LIMIT:
        return (
            f"common name {quoted(text)} has {len(text)} characters; "
            f"a common name has 1 to {COMMON_NAME_LIMIT} (X.509)"
        )
    if has_formula(text) and not re.fullmatch(r"[a-zA-Z0-9:_-]*", text):
        begins, begin = ("begins", "begin it") if has_formula(text[:1]) else ("goes on after ';'", "go on there")
        return f"common name {quoted(text)} {begins} like a spreadsheet's formula; {begin} with a letter or digit"
    if text.isascii() and text.isprintable():
        return None
    octets = len(text.encode("utf-8", "surrogatepass"))
    if octets > COMMON_NAME_LIMIT:
        return (
            f"common name {quoted(text)} takes {octets} bytes in UTF-8; "
            f"a CSR's common name has 1 to {COMMON_NAME_LIMIT}"
        )
    if (index := hidden_at(text)) is not None:
        char = text[index]
        kind = "a control character" if unicodedata.category(char) == "Cc" else "an invisible character"
        return (
            f"common name {quoted(text)} holds {_named(char)} at character {index + 1}; "
            f"{kind} has no place in a common name"
        )
    return None
