"""What the columns of a manifest mean: the table of aliases, and a header turned into a layout.

Headers match without regard to case, ``_``, ``-`` and spaces. What is no field is a thing attribute, under the
name as it was written. The columns that ``failed.csv`` has for people are neither: they are passed over.

>>> layout_of(("ThingName", "hw-rev")).attributes
(AttributeColumn(column=1, name='hw-rev', head='"hw-rev":"'),)
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.manifest.lookalikes import lookalike
from pipeline.manifest.names import ATTRIBUTE_NAME, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["ALIASES", "AttributeColumn", "Field", "Layout", "Remark", "field_of", "layout_of", "normalised"]


class Field(enum.StrEnum):
    """The fields of a manifest row that are no attributes."""

    THING_NAME = "thing_name"
    THING_TYPE = "thing_type"
    THING_GROUPS = "thing_groups"
    BILLING_GROUP = "billing_group"
    POLICY = "policy"
    COMMON_NAME = "common_name"
    CSR = "csr"
    KEY_TYPE = "key_type"
    ENCRYPT_TO = "encrypt_to"
    PROFILE = "profile"
    REGION = "region"


class Remark(enum.StrEnum):
    """The columns of ``failed.csv`` for people: any manifest may have them, and is read as if it had not.

    Their names are written exactly so. They hold blanks on purpose: no attribute's name can (``names``), so none
    is taken for a remark, while ``error_code`` is an attribute like any other.
    """

    STEP = "failed at step"
    CODE = "error code"
    MESSAGE = "error message"
    ADVICE = "what to do"


ALIASES: dict[Field, tuple[str, ...]] = {
    Field.THING_NAME: (
        "thing_name", "ThingName", "thing", "name", "node_id", "device_id", "identifier", "id", "mac",
    ),
    Field.THING_TYPE: ("thing_type", "ThingTypeName"),
    Field.THING_GROUPS: ("thing_groups", "thing_group", "groups", "group"),
    Field.BILLING_GROUP: ("billing_group",),
    Field.POLICY: ("policy", "policy_name"),
    Field.COMMON_NAME: ("common_name", "cn"),
    Field.CSR: ("csr",),
    Field.KEY_TYPE: ("key_type",),
    Field.ENCRYPT_TO: ("encrypt_to",),
    Field.PROFILE: ("profile", "aws_profile"),
    Field.REGION: ("region", "aws_region"),
}  # fmt: skip

# The fields that a fleet has few combinations of, so each combination is checked once.
_ASSIGNED = (
    Field.THING_TYPE,
    Field.THING_GROUPS,
    Field.BILLING_GROUP,
    Field.POLICY,
    Field.KEY_TYPE,
    Field.ENCRYPT_TO,
    Field.PROFILE,
    Field.REGION,
)

_IGNORED = str.maketrans("", "", "_- ")


def normalised(header: str) -> str:
    """Return a header as it is compared: without case, ``_``, ``-`` and spaces."""
    return header.translate(_IGNORED).casefold()


_FIELDS = {normalised(alias): field for field, aliases in ALIASES.items() for alias in aliases}
_REMARKS = frozenset(Remark)
_REMARKS_ALIKE = {normalised(remark): remark for remark in Remark}


def field_of(header: str) -> Field | None:
    """Return the field that a header means, or None where it names an attribute."""
    return _FIELDS.get(normalised(header))


class AttributeColumn(NamedTuple):
    """A column that holds a thing attribute.

    Attributes:
        column: Where it is, from 0.
        name: The attribute's name, checked.
        head: How the attribute begins in a device's JSON; the alphabet of names needs no escapes.
    """

    column: int
    name: str
    head: str


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Which column of a row means what. Columns are indices into the row's values, from 0.

    Attributes:
        names: Every header as it was written.
        thing_name: The column of the thing name, or None (then the header has that problem).
        common_name: The column of the common name, or None.
        csr: The column of the CSR, or None.
        assigned: Those of the fields that many things share that have a column, with the column.
        assigned_cells: Takes a row's values, returns the cells of ``assigned`` as something hashable.
        attributes: The attribute columns, sorted by attribute name.
        remarks: The columns that are passed over (``Remark``).
        problems: What is wrong with the header itself: column and reason.
    """

    names: tuple[str, ...]
    thing_name: int | None
    common_name: int | None
    csr: int | None
    assigned: tuple[tuple[Field, int], ...]
    assigned_cells: Callable[[Sequence[Any]], Any]
    attributes: tuple[AttributeColumn, ...]
    remarks: frozenset[int]
    problems: tuple[tuple[int, str], ...]


def layout_of(names: Sequence[str], attributes: Sequence[str] = ()) -> Layout:
    """Work out what the columns mean, and what is wrong with their names.

    Args:
        names: Headers, or the keys of a JSON object or TOML table.
        attributes: Keys that are attributes whatever their name (a nested ``attributes`` object); their
            columns follow those of ``names``.
    """
    fields: dict[Field, int] = {}
    found: dict[str, AttributeColumn] = {}
    problems: list[tuple[int, str]] = []
    everything = (*names, *attributes)
    remarks = frozenset(index for index, name in enumerate(names) if name.strip() in _REMARKS)
    for index, name in enumerate(everything):
        if index in remarks:
            continue
        field = field_of(name) if index < len(names) else None
        if not normalised(name) and not name.strip():
            problems.append((index, f"column {index + 1} has no name"))
        elif field is not None:
            if field in fields:
                problems.append((index, _same_field(everything[fields[field]], name, field)))
            else:
                fields[field] = index
        elif not ATTRIBUTE_NAME.holds(name):
            problems.append((index, _no_attribute(name, may_be_remark=index < len(names))))
        elif (other := found.get(normalised(name))) is not None:
            problems.append((index, _same_attribute(other.name, name)))
        elif index < len(names) and (meant := lookalike(normalised(name))):
            problems.append((index, _all_but(name, meant)))
        else:
            found[normalised(name)] = AttributeColumn(index, name, f'"{name}":"')
    if Field.THING_NAME not in fields:
        problems.append((0, f"no column is the thing name; call it one of {', '.join(_NAME_ALIASES)}"))
    assigned = tuple((field, fields[field]) for field in _ASSIGNED if field in fields)
    columns = [index for _, index in assigned]
    return Layout(
        names=everything,
        thing_name=fields.get(Field.THING_NAME),
        common_name=fields.get(Field.COMMON_NAME),
        csr=fields.get(Field.CSR),
        assigned=assigned,
        assigned_cells=itemgetter(*columns) if columns else _no_cells,
        attributes=tuple(sorted(found.values(), key=lambda column: column.name)),
        remarks=remarks,
        problems=tuple(problems),
    )


_NAME_ALIASES = ALIASES[Field.THING_NAME]


def _no_cells(_: Sequence[object]) -> tuple[()]:
    return ()


def _no_attribute(name: str, *, may_be_remark: bool) -> str:
    """Return why no attribute can have a name, and how a remark that resembles it is written."""
    meant = _REMARKS_ALIKE.get(normalised(name)) if may_be_remark else None
    fault = ATTRIBUTE_NAME.fault(name)
    return fault if meant is None else f"{fault}; written {quoted(meant)}, the column is passed over"


def _all_but(name: str, field: str) -> str:
    return (
        f"column {quoted(name)} would be a thing attribute; did you mean {field}? "
        "An attribute of that name goes into the object 'attributes' of a JSON line or a TOML table"
    )


def _same_field(first: str, second: str, field: Field) -> str:
    if first == second:
        return f"column {quoted(second)} is there twice"
    return f"columns {quoted(first)} and {quoted(second)} both mean {field}; keep or rename one of them"


def _same_attribute(first: str, second: str) -> str:
    if first == second:
        return f"column {quoted(second)} is there twice"
    return (
        f"columns {quoted(first)} and {quoted(second)} differ only by case, '_', '-' or spaces; "
        "keep or rename one of them"
    )
