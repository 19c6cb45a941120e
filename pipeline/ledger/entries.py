"""One row of a ledger as an ``Entry``, held against what a thingmill writes: a run folder may come from anybody.

Names become paths and words on a screen. So a row whose thing name could lead out of the run's folder, or whose
description is of another shape than ``Device.to_json`` gives it, is refused, and with it the ledger.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.device import Certificate, Device, State
from pipeline.errors import DeviceError, RunFolderError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

__all__ = ["OUTCOMES", "Entry", "entry_of", "unwritten"]

_INERT = re.compile(r"[0-9A-Za-z]{1,128}")

_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")

OUTCOMES = ("failed", "skipped", "revoked")
"""What may have become of a device that is neither done nor under way."""

_TEXTS = (
    "spki_sha256",
    "certificate_id",
    "certificate_arn",
    "certificate_pem",
    "not_after",
    "outcome",
    "error_code",
    "error_message",
    "error_advice",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger says of one device.

    Attributes:
        seq: The device's number in this ledger.
        device: Its description.
        state: What is durable.
        thing_created: Whether this run made the thing, or (at LISTED) was about to, and has not deleted it since.
        spki_sha256: Its public key's hash, from KEYED on.
        requested_at: When its certificate was asked for, seconds of the epoch, from REQUESTED on.
        certificate: Its certificate from ISSUED on; its ``pem`` is empty once the bundle holds it.
        files: The hex SHA-256 of its bundle's files by name, from BUNDLED on; of an encrypted key from KEYED on.
        old_certificates: The ARNs of the certificates that its thing had before this run (``--existing rotate``).
        retired: Whether those were taken away.
        outcome: ``failed``, ``skipped``, ``revoked``, or None while it is under way or done.
        error: What made it fail.
        origin: The number of the run that it is from, where the ledger is put together from those of several.
    """

    seq: int
    device: Device
    state: State
    thing_created: bool
    spki_sha256: str | None
    requested_at: float | None
    certificate: Certificate | None
    files: Mapping[str, str]
    old_certificates: tuple[str, ...]
    retired: bool
    outcome: str | None
    error: DeviceError | None
    origin: int | None


def entry_of(row: sqlite3.Row) -> Entry:
    """Return what a row says.

    Raises:
        RunFolderError: No thingmill wrote it.
    """
    try:
        return _entry(row)
    except (AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise unwritten() from error


def unwritten() -> RunFolderError:
    """Return what refuses a ledger that no thingmill can have written."""
    return RunFolderError(
        "the ledger has a row that no thingmill can have written",
        advice="do not use this run folder; get it anew from where it was made",
    )


def _entry(row: sqlite3.Row) -> Entry:
    if not all(row[name] is None or isinstance(row[name], str) for name in _TEXTS):
        raise TypeError
    if row["outcome"] not in (None, *OUTCOMES):
        raise ValueError
    device = _device(row["description"], int(row["line"]))
    # By these columns a device is looked for: another name there would lead to it.
    if (row["thing_name"], row["folded"]) != (device.thing_name, device.thing_name.lower()):
        raise ValueError
    certificate = None
    if row["certificate_id"] is not None:
        if not _INERT.fullmatch(row["certificate_id"]):  # formats name files after it
            raise ValueError
        certificate = Certificate(
            row["certificate_id"],
            row["certificate_arn"] or "",
            row["certificate_pem"] or "",
            row["not_after"] or "",
        )
    error = None
    if row["error_code"] is not None:
        step = int(row["failed_step"] or 0)
        error = DeviceError(step, row["error_code"], row["error_message"] or "", advice=row["error_advice"] or "")
    requested_at = row["requested_at"]
    return Entry(
        seq=int(row["seq"]),
        device=device,
        state=State(row["state"]),
        thing_created=bool(row["thing_created"]),
        spki_sha256=row["spki_sha256"],
        requested_at=None if requested_at is None else float(requested_at),
        certificate=certificate,
        files=_files(row["files"]),
        old_certificates=_texts(json.loads(row["old_certificates"] or "[]")),
        retired=row["retired_at"] is not None,
        outcome=row["outcome"],
        error=error,
        origin=None if row["origin"] is None else int(row["origin"]),
    )


def _device(description: str, line: int) -> Device:
    device = Device.from_json(description, line)
    if not _THING_NAME.fullmatch(device.thing_name):
        raise ValueError
    optional = (device.thing_type, device.billing_group, device.policy, device.csr)
    _texts([device.common_name, *(text for text in optional if text is not None), *device.groups])
    _texts([*device.encrypt_to])
    _texts([*device.attributes.keys(), *device.attributes.values()])
    return device


def _files(text: str | None) -> dict[str, str]:
    """Return the files of a bundle, none of which is outside of its folder."""
    found: dict[str, str] = json.loads(text or "{}")
    _texts([*found.keys(), *found.values()])
    if any("\0" in name or {"", ".", ".."} & set(name.split("/")) for name in found):
        raise ValueError
    return found


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError
    return tuple(values)
