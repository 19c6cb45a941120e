"""What many things share, such as their type, groups and policy: from a row's cells or the run's defaults.

A fleet has few combinations of them, so each combination is checked, and written as JSON, once.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pipeline import recipients
from pipeline.counting import counted
from pipeline.errors import UsageError
from pipeline.manifest.columns import Field
from pipeline.manifest.names import BILLING_GROUP, POLICY, THING_GROUP, THING_TYPE, quoted
from pipeline.settings import KeyType
from pipeline.target import MOST_TARGETS, Target, profile_fault, region_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from pipeline.manifest.faults import Place
    from pipeline.manifest.names import Rule
    from pipeline.manifest.rows import Cell, ManifestRow
    from pipeline.settings import Defaults

__all__ = ["Assigner", "Assignment", "Register", "default_fault"]

_GROUP_LIMIT = 10  # thing groups that one thing can belong to (AWS General Reference, AWS IoT Core quotas)
_ATTRIBUTES_WITH_TYPE = 50
_ATTRIBUTES_WITHOUT_TYPE = 3
_KEPT = 1024  # combinations; a hostile manifest has a new one in every row
_KEPT_CHARACTERS = 16_384  # of a row whose combination is kept; such cells may be long without naming anything

_RULES: dict[Field, Rule] = {
    Field.THING_TYPE: THING_TYPE,
    Field.BILLING_GROUP: BILLING_GROUP,
    Field.POLICY: POLICY,
}

_ATTRIBUTES_TOO = "an attribute named {} goes into the object 'attributes' of a JSON line or a TOML table"

_TARGETED: dict[Field, Callable[[str], str | None]] = {
    Field.PROFILE: profile_fault,
    Field.REGION: region_fault,
}


class Register(Protocol):
    """Who keeps what is named: the roster."""

    def number_of(self, target: Target) -> int | None:
        """Return the number of a target, or None where there are too many."""

    def note(self, kind: Field, name: str, place: Place | None, target: int = 0) -> None:
        """Take a name in use at a target: what it names, and where a row does (None: the run's defaults do)."""


class Assignment(NamedTuple):
    """One combination, checked, as pieces of a device's canonical JSON (``Device.to_json``).

    Attributes:
        has_type: Whether there is a thing type.
        attribute_limit: Attributes that a thing can have then (AWS IoT: 3 without a type, 50 with one).
        before_common_name: The members that sort between ``attributes`` and ``common_name``.
        before_thing_name: Those between ``csr`` and ``thing_name``.
        after_thing_name: Those after ``thing_name``.
        target: The number of the target (``Register``).
    """

    has_type: bool
    attribute_limit: int
    before_common_name: str
    before_thing_name: str
    after_thing_name: str
    target: int


class Assigner:
    """Hands out the assignment of each row.

    Args:
        defaults: What a row gets where its cell is empty or its column is not there.
        register: Told the targets and the names in use.
    """

    def __init__(self, defaults: Defaults, register: Register) -> None:
        self._defaults = defaults
        self._register = register
        self._target = 0
        self._known: dict[Hashable, Assignment] = {}

    def of(self, row: ManifestRow) -> Assignment | None:
        """Return a row's assignment, or None after a fault."""
        layout = row.layout
        key = (row.reader.target, layout.assigned, layout.assigned_cells(row.values))
        assignment = self._known.get(key)
        if assignment is None:
            assignment = self._checked(row)
            if assignment is not None and len(row.raw) <= _KEPT_CHARACTERS:
                if len(self._known) >= _KEPT:
                    self._known.clear()
                self._known[key] = assignment
        return assignment

    def _checked(self, row: ManifestRow) -> Assignment | None:
        total = row.reader.source.log.total
        columns = dict(row.layout.assigned)
        self._target = self._aim(row, columns)
        names = {field: self._name(row, field, columns.get(field)) for field in _RULES}
        groups = self._groups(row, columns.get(Field.THING_GROUPS))
        key_type = self._key_type(row, columns.get(Field.KEY_TYPE))
        encrypt_to = self._recipients(row, columns.get(Field.ENCRYPT_TO))
        if row.reader.source.log.total > total:
            return None
        thing_type, policy = names[Field.THING_TYPE], names[Field.POLICY]
        return Assignment(
            has_type=thing_type is not None,
            attribute_limit=_ATTRIBUTES_WITHOUT_TYPE if thing_type is None else _ATTRIBUTES_WITH_TYPE,
            before_common_name=_member("billing_group", names[Field.BILLING_GROUP]),
            before_thing_name="".join(
                (
                    _member("encrypt_to", encrypt_to),
                    _member("groups", groups),
                    _member("key_type", key_type),
                    _member("policy", policy),
                )
            ),
            after_thing_name=f',"thing_type":{json.dumps(thing_type)}' if thing_type else "",
            target=self._target,
        )

    def _aim(self, row: ManifestRow, columns: Mapping[Field, int]) -> int:
        """Return the number of the row's target, or 0 after a fault."""
        found, at = {}, row.layout.thing_name or 0
        for field, fault in _TARGETED.items():
            column = columns.get(field)
            cell = str(row.values[column]) if column is not None else ""
            if column is not None and cell:
                at = column
                if reason := fault(cell):
                    row.fault(column, f"{reason}; {_ATTRIBUTES_TOO.format(field)}")
                    return 0
            found[field] = cell or getattr(row.reader.target, field) or getattr(self._defaults, field) or ""
        number = self._register.number_of(Target(found[Field.PROFILE], found[Field.REGION]))
        if number is None:
            row.fault(at, f"a manifest names {MOST_TARGETS} accounts and Regions at most")
        return number or 0

    def _note(self, kind: Field, name: str, place: Place | None) -> None:
        self._register.note(kind, name, place, self._target)

    def _name(self, row: ManifestRow, field: Field, column: int | None) -> str | None:
        cell = row.values[column] if column is not None else ""
        if column is None or not isinstance(cell, str) or not cell:
            default: str | None = getattr(self._defaults, field)
            if default is not None:
                self._note(field, default, None)
            return default
        if not _RULES[field].holds(cell):
            row.fault(column, _RULES[field].fault(cell))
            return None
        self._note(field, cell, row.place(column))
        return cell

    def _key_type(self, row: ManifestRow, column: int | None) -> str | None:
        """Return the row's own key type; the run's is not the row's, so that a ledger tells them apart."""
        cell = str(row.values[column]) if column is not None else ""
        if column is None or not cell:
            return None
        if cell.lower() not in list(KeyType):
            row.fault(column, f"key type {quoted(cell)} is none of {', '.join(KeyType)}")
            return None
        self._note(Field.KEY_TYPE, cell.lower(), row.place(column))
        return cell.lower()

    def _recipients(self, row: ManifestRow, column: int | None) -> tuple[str, ...]:
        """Return the age recipients that a cell lists, sorted; the run's are not the row's, as with key types."""
        cells = _split(row.values[column]) if column is not None else ()
        if column is None or not cells:
            return ()
        found = set()
        for cell in cells:
            try:
                found.add(recipients.checked(cell, str(Field.ENCRYPT_TO)))
            except UsageError as error:
                row.fault(column, f"{error.message}; {error.advice}")
        self._note(Field.ENCRYPT_TO, "", row.place(column))
        return tuple(sorted(found))

    def _groups(self, row: ManifestRow, column: int | None) -> tuple[str, ...]:
        groups = _split(row.values[column]) if column is not None else ()
        if column is None or not groups:
            for group in self._defaults.groups:
                self._note(Field.THING_GROUPS, group, None)
            return self._defaults.groups
        for reason in _group_faults(groups):
            row.fault(column, reason)
        for group in groups[:_GROUP_LIMIT]:
            if THING_GROUP.holds(group):
                self._note(Field.THING_GROUPS, group, row.place(column))
        return groups


def default_fault(defaults: Defaults) -> str | None:
    """Return what is wrong with the run's own names, or None."""
    for field, rule in _RULES.items():
        name: str | None = getattr(defaults, field)
        if name is not None and not rule.holds(name):
            return rule.fault(name)
    return next(iter(_group_faults(defaults.groups)), None)


def _split(cell: Cell) -> tuple[str, ...]:
    """Return the groups that a cell lists; those of a JSON or TOML list are taken as they are."""
    if isinstance(cell, tuple):
        return cell
    return tuple(group for part in cell.split(";") if (group := part.strip(" ")))


def _group_faults(groups: tuple[str, ...]) -> list[str]:
    reasons = [THING_GROUP.fault(group) for group in groups if not THING_GROUP.holds(group)]
    repeated = [group for group, number in Counter(groups).items() if number > 1]
    reasons += [f"group {quoted(group)} is named twice" for group in repeated]
    if len(groups) > _GROUP_LIMIT:
        reasons.append(f"the row names {counted(len(groups), 'group')}; a thing belongs to at most {_GROUP_LIMIT}")
    return reasons


def _member(name: str, value: str | tuple[str, ...] | None) -> str:
    """Return one member of a JSON object and the comma after it, or nothing for a value that is not there."""
    return f'"{name}":{json.dumps(value, separators=(",", ":"))},' if value else ""
