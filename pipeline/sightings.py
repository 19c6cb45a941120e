"""What a line of a log or a list says of a device that connected: which one, and with which certificate.

Three kinds of lines are understood, and may be mixed:

* a thing's name: whoever made the list vouches for it;
* a verdict of ``thingmill verify --connect --json``:
  ``{"thing_name": …, "certificate_id": …, "connected": true}``;
* a presence event of AWS IoT (AWS IoT Core Developer Guide, "Lifecycle events"):
  ``{"clientId": …, "eventType": "connected", "principalIdentifier": …}``, where the principal is the certificate's
  id, and the client id is taken for the thing's name unless the event has a ``thingName``.

A verdict or an event may be the ``message`` of a log event (CloudWatch Logs API, ``FilteredLogEvent``), as text.
"""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Connection", "Mute", "read"]

LONGEST_LINE = 65_536
"""Bytes. A log event of CloudWatch Logs has four times as many at most; presence events have a few hundred."""

_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_CERTIFICATE_ID = re.compile("[0-9a-fA-F]{64}")
_WRAPPERS = ("message", "@message")
"""What holds a log event's text: in answers of FilterLogEvents, and in results of CloudWatch Logs Insights."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A device was seen to connect.

    Attributes:
        thing_name: The device's thing.
        certificate_id: With which certificate, or None where the line is a bare name.
    """

    thing_name: str
    certificate_id: str | None


class Mute(enum.Enum):
    """A line that says of no device that it connected."""

    NO_CONNECTION = "tells of no connection"
    UNREADABLE = "cannot be read"


def read(stream: BinaryIO) -> Iterator[Connection | Mute]:
    """Yield what each line says; empty lines, and those that begin with ``#``, are passed over.

    Args:
        stream: Lines of UTF-8. It is read as it comes, and not closed.
    """
    while raw := stream.readline(LONGEST_LINE):
        if len(raw) == LONGEST_LINE and not raw.endswith(b"\n"):
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(LONGEST_LINE)
            yield Mute.UNREADABLE
            continue
        line = raw.decode("utf-8-sig", errors="replace").strip()
        if line and not line.startswith("#"):
            yield _told(line)


def _told(line: str) -> Connection | Mute:
    if not line.startswith("{"):
        return Connection(line, None) if _THING_NAME.fullmatch(line) else Mute.UNREADABLE
    said = _object(line)
    if said is None:
        return Mute.UNREADABLE
    wrapped = next((said[name] for name in _WRAPPERS if isinstance(said.get(name), str)), None)
    if wrapped is not None:
        # What was logged beside the events is no fault of the log.
        said = _object(wrapped) or {}
    if "clientId" in said:
        name, certificate = said.get("thingName", said["clientId"]), said.get("principalIdentifier")
        connected = said.get("eventType") == "connected"
    else:
        name, certificate = said.get("thing_name"), said.get("certificate_id")
        connected = said.get("connected") is True
    # A client may call itself anything, also what is no text (JSON can spell half a surrogate pair), and may have
    # signed in without a certificate: then it is no device of a run.
    if connected and _is_all(name, _THING_NAME) and _is_all(certificate, _CERTIFICATE_ID):
        return Connection(name, certificate.lower())
    return Mute.NO_CONNECTION


def _is_all(value: object, pattern: re.Pattern[str]) -> TypeGuard[str]:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # a line may be nested deeper than any that is meant
        return None
    return found if isinstance(found, dict) else None
