"""JSON objects and TOML tables turned into the cells of a row: the shapes their values may have.

Text stays as it is and numbers become their text. true and false become text in an attribute. A list is good for
thing groups and recipients, an object only for ``attributes``. null is an absent value. What stands under a name
that is passed over (``columns.Remark``) may be anything.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple, cast

from pipeline.manifest.columns import Field, field_of, layout_of
from pipeline.manifest.names import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pipeline.manifest.columns import Layout
    from pipeline.manifest.rows import Cell

__all__ = ["ATTRIBUTES", "Cells", "Members", "cells_of"]

ATTRIBUTES = "attributes"
"""The key whose object holds attributes under any name, those of fields included."""


class Members(list[tuple[str, object]]):
    """An object's members in their order, repeated keys included."""


class Cells(NamedTuple):
    """A row's cells.

    Attributes:
        layout: What the cells mean; equal keys give the same layout.
        values: The cells, one for each column of the layout.
        problems: Values of a shape that has no place there: column and reason. The cell is then empty.
    """

    layout: Layout
    values: Sequence[Cell]
    problems: Sequence[tuple[int, str]]


_LISTS = frozenset({Field.THING_GROUPS, Field.ENCRYPT_TO})
"""Fields that several values make sense for."""

_WANTED: dict[Field | None, str] = dict.fromkeys(_LISTS, "text or a list of texts")

_MOST_KEPT_NAMES = 256  # fields and 50 attributes fit; a hostile line has keys by the ten thousand

# A manifest's lines have few sets of keys; a hostile one may have many, so only some are kept.
_layout_of: Callable[[tuple[str, ...], tuple[str, ...]], Layout] = functools.lru_cache(maxsize=256)(layout_of)


def cells_of(members: Iterable[tuple[str, object]]) -> Cells:
    """Return the cells of an object; nested attributes come after the other columns."""
    names: list[str] = []
    values: list[object] = []
    nested: list[tuple[str, object]] = []
    plain = True
    for name, value in members:
        if name == ATTRIBUTES and isinstance(value, Members):
            nested += value
        else:
            names.append(name)
            values.append(value)
            plain = plain and type(value) is str and name != ATTRIBUTES
    kept = len(names) + len(nested) <= _MOST_KEPT_NAMES
    layout = (_layout_of if kept else layout_of)(tuple(names), tuple([name for name, _ in nested]))
    if plain and not nested:
        return Cells(layout, cast("list[Cell]", values), ())
    cells: list[Cell] = []
    problems: list[tuple[int, str]] = []
    for index, value in enumerate((*values, *(value for _, value in nested))):
        if index in layout.remarks:
            cells.append("")
            continue
        own = index < len(names)  # rather than nested
        field = field_of(names[index]) if own else None
        wanted = _WANTED.get(field, "text")
        if own and names[index] == ATTRIBUTES and value is not None:
            cell, wanted = None, "an object of attributes"
        else:
            cell = _cell(value, field)
        if cell is None:
            problems.append((index, f"{quoted(layout.names[index])} is {_kind(value)}; it takes {wanted}"))
        cells.append(cell or "")
    return Cells(layout, cells, problems)


def _cell(value: object, field: Field | None) -> Cell | None:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower() if field is None else None
    if isinstance(value, int | float):
        return str(value)
    if field in _LISTS and isinstance(value, list) and not isinstance(value, Members):
        return tuple(value) if all(isinstance(group, str) for group in value) else None
    return None


def _kind(value: object) -> str:
    """Return what a value is, in the words of JSON and TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Members | dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "text" if isinstance(value, str) else f"a {type(value).__name__}"
