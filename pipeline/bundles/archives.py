"""The whole bundle of PEM files as one tar or zip file a device, the same bytes whenever it is made.

Every member has the bundle's own mode, belongs to user 0, and has one fixed time; members are in the order of
their names, below a folder of the thing's name. Nothing is compressed: how tightly is up to the version of a
library, and the files are few.
"""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from typing import TYPE_CHECKING

from pipeline.bundles import pem
from pipeline.secret import Secret, plain

if TYPE_CHECKING:
    from pipeline.bundles.parts import Contents, Parts

__all__ = ["tar", "zipped"]

_FOLDER, _SECRET, _PUBLIC = 0o700, 0o400, 0o644
_TIME = (1980, 1, 1, 0, 0, 0)
"""The first instant that a zip file can name (APPNOTE.TXT, section 4.4.6)."""
_SECONDS = 315_532_800
"""The same in seconds since 1970: GNU tar warns of 0."""
_UNIX = 3
"""Where a zip file's modes come from (APPNOTE.TXT, section 4.4.2)."""


def tar(parts: Parts) -> Contents:
    """Return a tar file by name, in the format of POSIX.1-2001 (pax): a thing's name may be too long for ustar."""
    name = parts.device.thing_name
    buffer = io.BytesIO()
    with tarfile.TarFile(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        folder = tarfile.TarInfo(name)
        folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, _FOLDER, _SECONDS
        archive.addfile(folder)
        for file, content in sorted(pem.whole(parts).items()):
            member = tarfile.TarInfo(f"{name}/{file}")
            member.mode, member.mtime, member.size = _mode(content), _SECONDS, len(content)
            archive.addfile(member, io.BytesIO(plain(content)))
    return {f"{name}.tar": _archive(parts, buffer)}


def zipped(parts: Parts) -> Contents:
    """Return a zip file by name, with the modes of Unix."""
    name = parts.device.thing_name
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        folder = _member(f"{name}/", stat.S_IFDIR | _FOLDER)
        folder.external_attr |= 0x10  # a folder to MS-DOS, too
        archive.writestr(folder, b"")
        for file, content in sorted(pem.whole(parts).items()):
            archive.writestr(_member(f"{name}/{file}", stat.S_IFREG | _mode(content)), plain(content))
    return {f"{name}.zip": _archive(parts, buffer)}


def _member(path: str, mode: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(path, _TIME)
    member.create_system, member.external_attr = _UNIX, mode << 16
    return member


def _archive(parts: Parts, buffer: io.BytesIO) -> bytes | Secret:
    return buffer.getvalue() if parts.key is None else Secret(buffer.getvalue())


def _mode(content: bytes | Secret) -> int:
    return _SECRET if isinstance(content, Secret) else _PUBLIC
