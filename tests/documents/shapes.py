"""Output that a document shows held against real output: word for word, but for figures that no two runs share.

What differs between runs is given a shape on both sides. ``…`` on a line of its own stands for one line or more
that were left out, and within a line for what was left out there.
"""

from __future__ import annotations

import re

__all__ = ["LEFT_OUT", "matches", "shape"]

LEFT_OUT = "…"

_SHAPES = (
    # A moment, and OpenSSL's way to write one.
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)?", "MOMENT"),
    (r"\b[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} GMT\b", "MOMENT"),
    # Certificates and keys, accounts, and the host that devices connect to.
    (r"\b[0-9a-f]{64}\b", "HASH"),
    (r"\b\d{12}\b", "ACCOUNT"),
    (r"\b[a-z0-9]+-ats\.iot\.[a-z0-9.-]+[a-z]", "ENDPOINT"),
    # Durations on a clock and in seconds, rates, shares and versions.
    (r"(?<![\d:])\d{1,2}(?::\d\d){1,2}(?![\d:])", "CLOCK"),
    (r"\b\d+(?:\.\d+)+\b", "FIGURE"),
    # Whichever device is ready first tries to be another.
    (r"^\S+'s bundle is refused", "A DEVICE's bundle is refused"),
    # What held a run up, which depends on the machine.
    (r"^held by .*", "held by LIMITS"),
    # What a disk has.
    (r"\b[\d,]+ ([kMGT]?B)\b", "SIZE"),
    (r"\b[\d,]+ free inodes\b", "INODES free inodes"),
    # OpenSSL 3.2 no longer has spaces around the sign, and names the hash otherwise.
    (r" = ", "="),
    (r"^(?:SHA2-256|SHA256)?\(stdin\)", "SHA256(stdin)"),
    # Columns are as wide as their figures.
    (r"\s+", " "),
)
"""What is looked for, in this order, and what takes its place."""


def shape(line: str) -> str:
    """Return a line without what differs between two runs.

    >>> shape("duration             0:08")
    'duration CLOCK'
    """
    for pattern, name in _SHAPES:
        line = re.sub(pattern, name, line)
    return line.strip()


def matches(shown: tuple[str, ...], real: list[str]) -> bool:
    """Return whether real output is what is shown; empty lines at either end do not count."""
    pieces: list[list[str]] = [[]]
    for line in shown:
        if line.strip() == LEFT_OUT:
            pieces.append([])
        else:
            pieces[-1].append(_pattern(line))
    pattern = r"(?:[^\n]*\n)+".join("".join(f"{line}\n" for line in piece) for piece in pieces)
    return re.fullmatch(pattern, "".join(f"{shape(line)}\n" for line in _trimmed(real))) is not None


def _pattern(line: str) -> str:
    """Return what a real line has to match in full."""
    return ".+".join(re.escape(part) for part in shape(line).split(LEFT_OUT))


def _trimmed(lines: list[str]) -> list[str]:
    full = [index for index, line in enumerate(lines) if line.strip()]
    return lines[full[0] : full[-1] + 1] if full else []
