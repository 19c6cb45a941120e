"""An NVS partition read by what ESP-IDF documents of its layout, with no code of what wrote it.

ESP-IDF, "Non-Volatile Storage Library": structure of a page, structure of an entry.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["read_partition"]

_PAGE, _SIZE, _FIRST = 4096, 32, 64
_U8, _U16, _BLOB, _INDEX = 0x01, 0x02, 0x42, 0x48
_USED = (0xFFFFFFFE, 0xFFFFFFFC)
"""The states of a page that is in use: active, and full."""


@dataclass(frozen=True)
class _Entry:
    namespace: int
    kind: int
    chunk: int
    name: str
    value: bytes
    data: bytes


def read_partition(image: bytes) -> dict[str, dict[str, bytes | int]]:
    """Return the values of a partition by namespace and key; every checksum in it must be right."""
    assert len(image) % _PAGE == 0
    pages = [image[start : start + _PAGE] for start in range(0, len(image), _PAGE)]
    # NVS needs a page that is free, or it cannot be written to.
    assert set(pages[-1]) == {0xFF}
    entries = [entry for page in pages for entry in _entries(page)]
    names = {entry.value[0]: entry.name for entry in entries if entry.namespace == 0 and entry.kind == _U8}
    found: dict[str, dict[str, bytes | int]] = {name: {} for name in names.values()}
    for entry in entries:
        if entry.namespace == 0:
            continue
        values = found[names[entry.namespace]]
        if entry.kind == _U16:
            values[entry.name] = int.from_bytes(entry.value[:2], "little")
        elif entry.kind == _INDEX:
            size, count, start = struct.unpack_from("<IBB", entry.value)
            chunks = {
                each.chunk: each.data
                for each in entries
                if (each.namespace, each.kind, each.name) == (entry.namespace, _BLOB, entry.name)
            }
            blob = b"".join(chunks[number] for number in range(start, start + count))
            assert len(blob) == size
            assert len(chunks) == count
            values[entry.name] = blob
        else:
            assert entry.kind == _BLOB
    return found


def _entries(page: bytes) -> Iterator[_Entry]:
    state, _, version = struct.unpack_from("<IIB", page)
    if state not in _USED:
        return
    assert version == 0xFE  # blobs over several pages
    assert _crc(page[4:28]) == struct.unpack_from("<I", page, 28)[0]
    at = _FIRST
    while at < _PAGE and page[at] != 0xFF:
        entry = page[at : at + _SIZE]
        namespace, kind, span, chunk, checksum = struct.unpack_from("<BBBBI", entry)
        assert _crc(entry[:4] + entry[8:]) == checksum
        data = b""
        if kind == _BLOB:
            size, _, of_data = struct.unpack_from("<HHI", entry, 24)
            data = page[at + _SIZE : at + _SIZE + size]
            assert _crc(data) == of_data
        yield _Entry(namespace, kind, chunk, entry[8:24].rstrip(b"\0").decode("ascii"), entry[24:], data)
        at += span * _SIZE


def _crc(data: bytes) -> int:
    return zlib.crc32(data, 0xFFFFFFFF)
