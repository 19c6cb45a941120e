"""``failed.csv``: the devices that failed, as a manifest that ``thingmill run`` takes as it is.

The manifest's own columns come first. Cells that keep the manifest's rules are written exactly as they came, since
they must come back so. Behind them each row says why it is there, in columns that a manifest's reader passes over
(``manifest.columns.Remark``): foreign text that is never read back, so it is free to be made harmless.

Names and values may begin with ``-``, some with ``=``, ``+`` or ``@``. A spreadsheet then shows the result of a
sum, or an error, and does no harm: their alphabets have no parenthesis, quote, ``!``, ``|``, blank or ``$``, and
a formula without those neither calls a function nor reaches another file or program. A common name, which has a
wider alphabet, must not begin so (``manifest.names``). Cells of another kind come from a ledger that somebody
changed: the manifest's rules would refuse them anyway, so they are made harmless instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.manifest.columns import Field, Remark, layout_of
from pipeline.report.csv_chunks import csv_chunks
from pipeline.text import has_formula, printable_lines, spreadsheet_safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pipeline.device import Device
    from pipeline.errors import DeviceError

__all__ = ["Columns", "failed_csv"]

_INERT = re.compile(r"[a-zA-Z0-9_.,@/:#=\[\]+;-]*")
"""What names of all kinds and attribute values are made of (``manifest.names``), and what separates groups."""

_CSR = re.compile(
    r"-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----[a-zA-Z0-9+/=\s]*-----END (?:NEW )?CERTIFICATE REQUEST-----\s*"
)
"""A CSR in PEM (RFC 7468), which begins with ``-`` as well."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What has to have a column.

    Attributes:
        fields: The fields that some device has a value for, in the order of ``Field``.
        attributes: Every attribute name that occurs, sorted.
    """

    fields: tuple[Field, ...]
    attributes: tuple[str, ...]

    @classmethod
    def of(cls, devices: Iterable[Device]) -> Columns:
        """Return the columns that some devices need; none at all where there is no device."""
        fields: set[Field] = set()
        attributes: set[str] = set()
        for device in devices:
            fields.update(name for name, value in _cells(device).items() if value)
            attributes.update(device.attributes)
        return cls(tuple(field for field in Field if field in fields), tuple(sorted(attributes)))

    @property
    def clash(self) -> bool:
        """Whether a manifest's reader would take a header with these columns otherwise than it is meant.

        Headers match without regard to case, ``_`` and ``-``, some mean a field, and some are refused since they
        all but do. Rows of JSON may use ``hw_rev`` here and ``HW-rev`` there, or have an attribute that is called
        ``name`` or ``policies``; a header cannot.
        """
        understood = layout_of((*self.fields, *self.attributes)).attributes
        return {column.name for column in understood} != set(self.attributes)


def failed_csv(failed: Iterable[tuple[Device, DeviceError | None]], columns: Columns) -> Iterator[bytes]:
    """Yield the file's content in chunks.

    Args:
        failed: The devices that failed, in the manifest's order, with why; a ledger that somebody changed may not
            know why.
        columns: The columns of these devices, without a clash.
    """
    return csv_chunks(_rows(failed, columns))


def _rows(failed: Iterable[tuple[Device, DeviceError | None]], columns: Columns) -> Iterator[Sequence[str]]:
    yield (*columns.fields, *map(_harmless, columns.attributes), *Remark)
    for device, error in failed:
        cells = _cells(device)
        yield [
            *(_harmless(cells[field]) for field in columns.fields),
            *(_harmless(device.attributes.get(name, "")) for name in columns.attributes),
            *map(spreadsheet_safe, _remarks(error)),
        ]


def _harmless(cell: str) -> str:
    """Return a cell as it is, where it is of the kind that the manifest's rules let through."""
    if _INERT.fullmatch(cell) or _CSR.fullmatch(cell):
        return cell
    return spreadsheet_safe(cell) if has_formula(cell) else printable_lines(cell)


def _cells(device: Device) -> dict[Field, str]:
    """Return a device's fields as cells; an empty cell is an absent value."""
    return {
        Field.THING_NAME: device.thing_name,
        Field.THING_TYPE: device.thing_type or "",
        Field.THING_GROUPS: ";".join(device.groups),
        Field.BILLING_GROUP: device.billing_group or "",
        Field.POLICY: device.policy or "",
        # The thing name is what a row gets that gives no common name.
        Field.COMMON_NAME: "" if device.common_name == device.thing_name else device.common_name,
        Field.CSR: device.csr or "",
        Field.KEY_TYPE: device.key_type or "",
        Field.ENCRYPT_TO: ";".join(device.encrypt_to),
    }


def _remarks(error: DeviceError | None) -> tuple[str, ...]:
    """Return why a device failed, a text for each ``Remark``."""
    return ("",) * len(Remark) if error is None else (str(error.step), error.code, error.message, error.advice)
