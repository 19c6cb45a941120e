"""The rules that a row must keep to become a device, each with a sentence for whoever has to mend it.

Sources: the AWS IoT API reference for names, values and numbers (``names.py``), X.520 for the common name, and
``csr.py`` for signing requests. A row that keeps them is written as ``Device.to_json`` would write it, without a
``Device`` in between: at a million rows, that is what the time goes into.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from pipeline.manifest.assignment import Assigner
from pipeline.manifest.columns import Field
from pipeline.manifest.names import (
    ATTRIBUTE_VALUE,
    COMMON_NAME_LIMIT,
    THING_NAME,
    common_name_fault,
    quoted,
)

if TYPE_CHECKING:
    from pipeline.manifest.assignment import Assignment, Register
    from pipeline.manifest.csr_folder import CsrFolder
    from pipeline.manifest.rows import ManifestRow
    from pipeline.settings import Defaults

__all__ = ["Entry", "Rules"]


class Entry(NamedTuple):
    """A row that was checked, as it goes into the roster.

    Attributes:
        thing_name: Its name.
        folded: The name without regard to case.
        spki_sha256: Hex SHA-256 of the key in its CSR, or None.
        line: Its line in the manifest.
        description: The device as ``Device.to_json`` has it, or "" where the row has a fault.
        target: The number of its target (``Register``).
    """

    thing_name: str
    folded: str
    spki_sha256: str | None
    line: int
    description: str
    target: int = 0


class Rules:
    """Checks rows one by one. What spans rows, that is duplicates, is the roster's.

    Args:
        defaults: What a row gets where it does not say otherwise.
        register: Told the targets, and the names of types, groups and policies in use.
        csr_folder: Where devices without a CSR in their row may have one, or None.
    """

    def __init__(self, defaults: Defaults, register: Register, csr_folder: CsrFolder | None = None) -> None:
        self._assigner = Assigner(defaults, register)
        self._csr_folder = csr_folder

    def check(self, row: ManifestRow) -> Entry | None:
        """Return the entry of a row, or None after a fault in its name. Every fault is logged.

        A row with a fault elsewhere has an entry too, so that a duplicate of it is found.
        """
        log = row.reader.source.log
        total = log.total
        layout, values = row.layout, row.values
        assignment = self._assigner.of(row)
        attributes = _attributes(row, assignment)
        name = values[layout.thing_name or 0]
        if not isinstance(name, str) or not THING_NAME.holds(name):
            row.fault(layout.thing_name or 0, THING_NAME.fault(str(name)))
            return None
        common_name = _common_name(row, name)
        csr, spki_sha256 = "", None
        if self._csr_folder is not None:
            csr, spki_sha256 = _csr_beside(row, name, common_name, self._csr_folder)
            if csr:
                _refuse_choice_of_key(row)
        elif layout.csr is not None and (cell := values[layout.csr]):
            csr, spki_sha256 = _csr(row, str(cell), common_name)
            _refuse_choice_of_key(row)
        if log.total > total or assignment is None:
            return Entry(name, name.lower(), spki_sha256, row.line, "")
        shown = f'"{name}"' if common_name is name else json.dumps(common_name)
        return Entry(
            name,
            name.lower(),
            spki_sha256,
            row.line,
            f'{{{attributes}{assignment.before_common_name}"common_name":{shown},{csr}'
            f'{assignment.before_thing_name}"thing_name":"{name}"{assignment.after_thing_name}}}',
            assignment.target,
        )


def _attributes(row: ManifestRow, assignment: Assignment | None) -> str:
    """Return the attributes as a member of the device's JSON. An empty cell is an attribute that is not there."""
    members = []
    values, holds = row.values, ATTRIBUTE_VALUE.holds
    for index, name, head in row.layout.attributes:
        value = values[index]
        if not value:
            continue
        if not isinstance(value, str) or not holds(value):
            row.fault(index, f"attribute {quoted(name)}: {ATTRIBUTE_VALUE.fault(str(value))}")
        # The alphabet of names and values has nothing that JSON escapes.
        members.append(f'{head}{value}"')
    if assignment is not None and len(members) > assignment.attribute_limit:
        _too_many_attributes(row, len(members), assignment)
    return f'"attributes":{{{",".join(members)}}},' if members else ""


def _too_many_attributes(row: ManifestRow, found: int, assignment: Assignment) -> None:
    """Log the fault at the first attribute, in the row's own order, that is one too many."""
    present = sorted(index for index, _, _ in row.layout.attributes if row.values[index])
    with_type = "with" if assignment.has_type else "without"
    limit = assignment.attribute_limit
    advice = "" if assignment.has_type else "; with a type it can have 50"
    row.fault(
        present[limit], f"the row has {found} attributes; a thing {with_type} a type has at most {limit}{advice}"
    )


def _common_name(row: ManifestRow, name: str) -> str:
    """Return the certificate's common name; the thing name itself where the row gives none."""
    index = row.layout.common_name
    if index is not None and (cell := row.values[index]):
        reason = common_name_fault(str(cell))
        if reason is not None:
            row.fault(index, reason)
        return str(cell)
    if len(name) > COMMON_NAME_LIMIT:
        row.fault(
            row.layout.thing_name or 0,
            f"thing name {quoted(name)} has {len(name)} characters, and a certificate's common name has at most "
            f"{COMMON_NAME_LIMIT}; add a common_name column with a shorter one",
        )
    return name


def _refuse_choice_of_key(row: ManifestRow) -> None:
    columns = dict(row.layout.assigned)
    for field in (Field.KEY_TYPE, Field.ENCRYPT_TO):
        column = columns.get(field)
        if column is not None and row.values[column]:
            row.fault(column, f"the row has a CSR, so the device has its key already; leave {field} empty")


def _csr(row: ManifestRow, cell: str, common_name: str) -> tuple[str, str | None]:
    """Return the CSR as a member of the device's JSON, and the hash of its key."""
    # Loading cryptography takes longer than reading most manifests, and few bring a CSR.
    from pipeline.manifest.csr import CsrError, inspect_csr  # noqa: PLC0415

    try:
        request = inspect_csr(cell, row.reader.source.folder, common_name)
    except CsrError as error:
        row.fault(row.csr_column, str(error))
        return "", None
    return f'"csr":{json.dumps(request.pem)},', request.spki_sha256


def _csr_beside(row: ManifestRow, name: str, common_name: str, folder: CsrFolder) -> tuple[str, str | None]:
    """Return what ``_csr`` does, for a row whose CSR may be in a file of the thing's name instead."""
    column = row.layout.csr
    cell = "" if column is None else str(row.values[column])
    files = folder.files_of(name)
    if cell and files:
        row.fault(
            row.csr_column,
            f"the row has a CSR, and so has the folder of CSRs in {quoted(files[0].name)}; keep one of them",
        )
    elif len(files) > 1:
        shown = " and ".join(quoted(file.name) for file in files)
        row.fault(row.csr_column, f"the folder of CSRs has {shown}; keep one of them")
    elif cell:
        return _csr(row, cell, common_name)
    elif files:
        from pipeline.manifest.csr import CsrError, inspect_csr_file  # noqa: PLC0415 - as above

        try:
            request = inspect_csr_file(files[0], common_name)
        except CsrError as error:
            row.fault(row.csr_column, f"{quoted(files[0].name)}: {error}")
        else:
            return f'"csr":{json.dumps(request.pem)},', request.spki_sha256
    return "", None
