"""Reads ``.jsonl`` and ``.ndjson`` manifests: one JSON object a line (RFC 8259), AWS bulk lines among them.

A line of AWS bulk registration (``ThingName``, ``SerialNumber``, ``CSR``) needs nothing of its own: two of its
keys are aliases, and the third is an attribute.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NoReturn

from pipeline.manifest.objects import ATTRIBUTES, Members, cells_of
from pipeline.manifest.rows import ManifestRow, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.manifest.rows import Source

__all__ = ["JsonLinesReader"]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Numbers keep the text they were written in: 1.10 is not 1.1 to a hardware revision.
_DECODER = json.JSONDecoder(
    object_pairs_hook=Members, parse_int=str, parse_float=str, parse_constant=_refuse_constant
)
_SPACE = re.compile(r"[ \t\n\r]*")


class JsonLinesReader(Reader):
    """Reads an object a line; blank lines are skipped.

    Args:
        source: What to read.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._placed: tuple[str, list[tuple[int, int]]] = ("", [])

    def __iter__(self) -> Iterator[ManifestRow]:
        """Yield a row for each line that is an object with a thing name."""
        lines = self.source.lines
        for line in lines:
            if lines.damaged == lines.number or not line.strip():
                continue
            members = self._members(line)
            if members is None:
                continue
            cells = cells_of(members)
            row = ManifestRow(lines.number, cells.layout, cells.values, line, self)
            if not cells.layout.problems and not cells.problems:
                yield row
                continue
            for index, reason in cells.layout.problems:
                self.source.fault(*self._key_position(row, index), reason)
            for index, reason in cells.problems:
                row.fault(index, reason)
            name = cells.layout.thing_name
            if name is not None and name not in dict(cells.problems):
                yield row

    def position(self, row: ManifestRow, index: int) -> tuple[int, int]:
        """Return where the value begins."""
        return row.line, self._places(row.raw)[index][1] + 1

    def _key_position(self, row: ManifestRow, index: int) -> tuple[int, int]:
        places = self._places(row.raw)
        return row.line, (places[index][0] if places else row.raw.index("{")) + 1

    def _places(self, line: str) -> list[tuple[int, int]]:
        """Return ``_places`` of a line, worked out once: a line may have a fault in each of ten thousand cells."""
        if self._placed[0] is not line:
            self._placed = line, _places(line)
        return self._placed[1]

    def _members(self, line: str) -> Members | None:
        """Return the members of the line's object, or None after a fault."""
        number = self.source.lines.number
        try:
            value = _DECODER.decode(line)
        except json.JSONDecodeError as error:
            self.source.fault(number, error.pos + 1, f"this is not JSON: {error.msg}")
        except RecursionError:
            self.source.fault(number, 1, "this JSON is nested too deeply")
        except ValueError as error:
            self.source.fault(number, 1, f"this is not JSON: {error}")
        else:
            if isinstance(value, Members):
                return value
            at = len(line) - len(line.lstrip()) + 1
            self.source.fault(number, at, 'a line is one JSON object: {"thing_name": "…"}')
        return None


def _places(line: str) -> list[tuple[int, int]]:
    """Return where key and value of each column begin in a line that is known to be an object."""
    members, nested = _walk(line, line.index("{"))
    return members + nested


def _walk(text: str, at: int, depth: int = 0) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    members: list[tuple[int, int]] = []
    nested: list[tuple[int, int]] = []
    at = _after_space(text, at + 1)
    while text[at] != "}":
        key_at = at
        key, at = _DECODER.raw_decode(text, at)
        value_at = at = _after_space(text, _after_space(text, at) + 1)
        value, at = _DECODER.raw_decode(text, at)
        if depth == 0 and key == ATTRIBUTES and isinstance(value, Members):
            nested += _walk(text, value_at, depth + 1)[0]
        else:
            members.append((key_at, value_at))
        at = _after_space(text, at)
        if text[at] == ",":
            at = _after_space(text, at + 1)
    return members, nested


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return at if match is None else match.end()
