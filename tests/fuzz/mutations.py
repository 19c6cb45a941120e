"""Manifests made worse by chance: the examples and pieces of their formats, cut, doubled, crossed and spoilt.

The same seed and number give the same input, so that a finding is a pair of numbers.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["SUFFIXES", "Input", "Mutator"]

SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl", ".toml", "-")
"""The formats, and ``-`` for standard input, whose format is told by its text."""

_LONGEST = 400_000

_TOKENS = (
    *(bytes([byte]) for byte in b"\n\r\t ,;\"'\\#:=.{}[]()-+@!|\0\x1b\x7f\x80\x9b\xc3\xff"),
    *(b"\r\n", b'""', b"'''", b'"""', b"\\u0000", b"\\ud800", b"\\ud83d\\ude00", b"\\n", b"//", b"../"),
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xfe\xff",
        b"\xe2\x80\xae",
        b"\xe2\x80\xa8",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
    ),
    *(b"\x1b]52;c;ZXZpbA==\x07", b"\x1b[2J", b"[bold]", b"[/]", b"=1+1", b"@SUM(1)", b"<script>", b"%s", b"${x}"),
    *(
        b"thing_name",
        b"ThingName",
        b"id",
        b"cn",
        b"csr",
        b"groups",
        b"policy",
        b"attributes",
        b"key_type",
        b"billing_group",
    ),
    *(
        b"[run]\n",
        b"[[thing]]\n",
        b'things = "',
        b"quota = {",
        b"[[thing]]\n[thing.attributes]\n",
        b"run.key = 1\n",
    ),
    *(
        b'{"id":"a"',
        b'"attributes":{"x":1}',
        b'"groups":["a","b"]',
        b"true",
        b"null",
        b"NaN",
        b"1e999",
        b"-0",
        b"1.10",
    ),
    *(b"1979-05-27T07:32:00Z", b"0x1f", b"inf", b"9" * 5000, b"-----BEGIN CERTIFICATE REQUEST-----", b"a" * 129),
    b"-----BEGIN EC PRIVATE KEY-----",
)


class Input(NamedTuple):
    """One manifest.

    Attributes:
        suffix: Its format, one of ``SUFFIXES``.
        content: Its bytes.
    """

    suffix: str
    content: bytes


class Mutator:
    """Makes inputs.

    Args:
        examples: A folder with manifests to begin with.
        seed: Decides everything.
    """

    def __init__(self, examples: Path, seed: int) -> None:
        paths = sorted(path for path in examples.iterdir() if path.suffix in SUFFIXES)
        self._examples = [Input(path.suffix, path.read_bytes()) for path in paths]
        self._seed = seed

    def make(self, number: int) -> Input:
        """Return the input of a number."""
        dice = random.Random(f"{self._seed}/{number}")  # noqa: S311  to be played again
        suffix, content = dice.choice(self._examples)
        if dice.random() < 0.1:
            content = b"".join(dice.choices(_TOKENS, k=dice.randrange(1, 40)))
        data = bytearray(content)
        for _ in range(dice.choice((1, 1, 2, 3, 5, 8, 20))):
            dice.choice(_MUTATIONS)(data, dice)
        if dice.random() < 0.1:
            self._cross(data, dice)
        if dice.random() < 0.15:
            suffix = dice.choice(SUFFIXES)
        return Input(suffix, bytes(data[:_LONGEST]))

    def _cross(self, data: bytearray, dice: random.Random) -> None:
        other = dice.choice(self._examples).content
        first, second = _span(data, dice), _span(other, dice)
        data[first] = other[second]


def _span(data: bytes | bytearray, dice: random.Random) -> slice:
    """Pick a part: mostly short, at times all that follows."""
    first = dice.randrange(len(data) + 1)
    length = len(data) if dice.random() < 0.1 else dice.choice((0, 1, 2, 5, 30, 200))
    return slice(first, min(first + length, len(data)))


def _flip(data: bytearray, dice: random.Random) -> None:
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _replace(data: bytearray, dice: random.Random) -> None:
    data[_span(data, dice)] = dice.choice(_TOKENS)


def _insert(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data) + 1)
    data[at:at] = dice.choice(_TOKENS)


def _delete(data: bytearray, dice: random.Random) -> None:
    del data[_span(data, dice)]


def _double(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data) + 1)
    data[at:at] = data[_span(data, dice)]


def _repeat(data: bytearray, dice: random.Random) -> None:
    """Put a piece in many times: long lines, long records, deep nesting, wide rows."""
    at = dice.randrange(len(data) + 1)
    piece = dice.choice(_TOKENS) if dice.random() < 0.7 else bytes(data[_span(data, dice)])
    times = dice.choice((3, 10, 100, 100, 1000, 20_000) if dice.random() < 0.2 else (3, 10, 50))
    data[at:at] = piece * min(times, _LONGEST // max(len(piece), 1))


def _swap_lines(data: bytearray, dice: random.Random) -> None:
    lines = bytes(data).split(b"\n")
    dice.shuffle(lines)
    data[:] = b"\n".join(lines)


def _encode(data: bytearray, dice: random.Random) -> None:
    encoding = dice.choice(("utf-16", "utf-16-le", "latin-1", "utf-8-sig", "cp037"))
    data[:] = bytes(data).decode("latin-1").encode(encoding, "replace")


_MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(_flip, _replace, _replace, _insert, _insert, _insert, _delete, _delete, _double, _repeat),
    *(_swap_lines, _encode),
)
