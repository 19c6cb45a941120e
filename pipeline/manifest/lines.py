"""The text of a manifest as a stream of numbered lines: UTF-8, bounded, and with faults that have a place."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, BinaryIO

from pipeline.manifest.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline.manifest.faults import FaultLog

__all__ = ["RECORD_LIMIT", "Lines"]

RECORD_LIMIT = 131_072
"""Bytes of a line, and characters of a record, at most. 50 attributes of 800 characters and a CSR fit twice."""


class Lines:
    """Iterates over the lines of a byte stream, without their ends (LF or CRLF).

    A line that cannot be read (not UTF-8, or too long) is a fault; it is handed out all the same, so that
    records keep their shape, and ``damaged`` tells which it was.

    Args:
        stream: Bytes to read. It is not closed.
        name: The file as the user named it.
        log: Where faults go.

    Attributes:
        number: The line handed out last, from 1.
        damaged: The last line that could not be read, or 0.
        bytes_read: How far the stream was read.
    """

    def __init__(self, stream: BinaryIO, name: str, log: FaultLog) -> None:
        self.number = 0
        self.damaged = 0
        self.bytes_read = 0
        self._readline: Callable[[int], bytes] = stream.readline
        self._name = name
        self._log = log
        self._returned: list[str] = []

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        if self._returned:
            self.number += 1
            return self._returned.pop()
        raw = self._readline(RECORD_LIMIT)
        if not raw:
            raise StopIteration
        self.number += 1
        self.bytes_read += len(raw)
        if len(raw) == RECORD_LIMIT and raw[-1] != 0x0A:
            return self._too_long()
        if self.number == 1:
            raw = self._begin(raw)
        try:
            return raw.decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            return self._not_utf8(raw, error.start)

    def give_back(self, lines: Iterable[str]) -> None:
        """Take lines back, in their order, to hand them out again."""
        returned = list(lines)
        self._returned += reversed(returned)
        self.number -= len(returned)

    def _begin(self, raw: bytes) -> bytes:
        """Drop a byte order mark; stop at once where it tells of another encoding."""
        if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self._readline = _nothing_more
            self._damage(1, "this file is UTF-16; save it as UTF-8")
            return b""
        return raw.removeprefix(codecs.BOM_UTF8)

    def _too_long(self) -> str:
        while chunk := self._readline(RECORD_LIMIT):
            self.bytes_read += len(chunk)
            if chunk[-1] == 0x0A:
                break
        self._damage(1, f"this line is longer than {RECORD_LIMIT:,} bytes, more than any row can need")
        return ""

    def _not_utf8(self, raw: bytes, at: int) -> str:
        self._damage(len(raw[:at].decode()) + 1, f"byte 0x{raw[at]:02x} is not UTF-8; save the file as UTF-8")
        return raw.decode(errors="replace").rstrip("\r\n")

    def _damage(self, column: int, reason: str) -> None:
        self.damaged = self.number
        self._log.add(Fault(self.number, column, self._name, reason))


def _nothing_more(_limit: int) -> bytes:
    return b""
