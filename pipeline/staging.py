"""A device's staging folder: what it must hold before a request, and how it becomes the bundle."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pipeline import files, keys
from pipeline.bundles import pem
from pipeline.bundles.formats import FORMATS
from pipeline.bundles.parts import KeyFile, Parts
from pipeline.codes import DeviceCode
from pipeline.errors import DeviceError
from pipeline.sealing import is_sealed
from pipeline.secret import Secret, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.bundles.parts import Contents, Endpoint
    from pipeline.device import Certificate, Device
    from pipeline.layout import RunFolder
    from pipeline.passwords import Carried

__all__ = ["Known", "publish", "read_csr", "read_key", "read_parts", "see_key"]


class Known(NamedTuple):
    """What the ledger knows of a device's key.

    Attributes:
        spki_sha256: The hash of its public key.
        files: The hex SHA-256 of the key's file by its name, where it is encrypted.
    """

    spki_sha256: str
    files: Mapping[str, str]


def read_csr(folder: RunFolder, device: Device, spki_sha256: str) -> str:
    """Return the CSR that is on disk, having seen that it is the one the ledger knows.

    Args:
        folder: The run's folder.
        device: Whose CSR it is.
        spki_sha256: The hash of the public key that it must have.

    Raises:
        DeviceError: It is gone, or is another one.
    """
    name = device.thing_name
    try:
        csr = files.read_file(folder.staged(name) / f"{name}.csr").decode("ascii")
        known = keys.spki_sha256(keys.public_key_of_csr(csr)) == spki_sha256
    except (FileNotFoundError, ValueError):
        known = False
    if not known:
        raise keys.lost(3, name)
    return csr


def see_key(folder: RunFolder, device: Device, step: int) -> None:
    """See that a device's key is still on disk, unless the device keeps it itself.

    Raises:
        DeviceError: It is gone; ``step`` fails.
    """
    if device.csr is None and not keys.is_whole(folder.staged(device.thing_name), device.thing_name):
        raise keys.lost(step, device.thing_name)


def read_parts(place: Path, device: Device, certificate: Certificate, endpoint: Endpoint) -> Parts:
    """Return what formats are made from, with the key and the CSR that lie in a device's folder.

    Args:
        place: The folder, staged or published.
        device: Whose it is.
        certificate: The device's own.
        endpoint: Where it connects.

    Raises:
        FileNotFoundError: Key or CSR are not there.
        DiskError: The disk refused.
    """
    name = device.thing_name
    key = None if device.csr is not None else read_key(place, name)
    csr = files.read_file(place / f"{name}.csr").decode("ascii", errors="replace")
    return Parts(device, certificate, endpoint, csr, key)


def read_key(place: Path, name: str) -> KeyFile:
    """Return the key in the folder of the thing ``name``, as it lies there.

    Raises:
        FileNotFoundError: It is not there.
        DiskError: The disk refused.
    """
    path = keys.key_file(place, name) or place / f"{name}.key"
    data = files.read_file(path)
    return KeyFile(Secret(data), path.name.removeprefix(f"{name}.key"), is_sealed(data))


def publish(
    folder: RunFolder,
    device: Device,
    certificate: Certificate,
    endpoint: Endpoint,
    formats: Sequence[str] = (),
    password: Carried | None = None,
    known: Known | None = None,
) -> dict[str, str]:
    """Write the files of a bundle beside key and CSR, and give the folder its place among the bundles, durably.

    PEM files stand in the device's folder itself, and each further format in a folder of its name below it. It may
    be done again after it was done, or was cut short, also where the devices' endpoint has changed since.

    Args:
        folder: The run's folder.
        device: Whose bundle it is.
        certificate: The device's own.
        endpoint: Where it connects.
        formats: The further formats, by name.
        password: Encrypts PKCS #12 files, or None.
        known: What the key must be, or None where the caller has seen to that.

    Returns:
        The hex SHA-256 of each file by its path in the folder; the key's own only where it is encrypted, since
        then nobody sees without an identity whether it is whole.

    Raises:
        DeviceError: The key is gone or another, or something that is not of this run has the bundle's place.
        DiskError: The disk refused.
    """
    name = device.thing_name
    staged, final = folder.staged(name), folder.bundle(name)
    place = final if os.path.lexists(final) else staged
    contents = pem.contents(device, certificate, endpoint, _key_suffix(place, name))
    more = partial(
        _further, device=device, certificate=certificate, endpoint=endpoint, formats=formats, password=password
    )
    if place == final:
        # A run may have been killed between the rename and the ledger's next state.
        if staged.exists() or not _is_bundle(final, name, contents):
            raise _taken(name)
        _see_right_key(final, device, known)
        further = more(final)
        _refresh(final, contents)
        for format_name, made in further.items():
            _have(final / format_name, made)
        files.sync_move(staged, final)
        return _checksums(contents, further) | _beside(final, device)
    if staged.is_symlink() or not staged.is_dir():
        raise keys.lost(6, name)
    see_key(folder, device, 6)
    try:
        if final.parent != folder.devices:
            files.private_folder(final.parent)
        files.sweep_temporaries(staged)
        _see_right_key(staged, device, known)
        further = more(staged)
        for format_name, made in further.items():
            _have(staged / format_name, made)
        files.fill(staged, contents)
        checksums = _checksums(contents, further) | _beside(staged, device)
        files.publish_folder(staged, final)
    except FileNotFoundError:
        raise keys.lost(6, name) from None
    return checksums


def _see_right_key(place: Path, device: Device, known: Known | None) -> None:
    """See that the key in a folder is the one that the certificate is for: no bundle holds another's.

    Raises:
        FileNotFoundError: It is not there.
        DeviceError: It is another.
    """
    if device.csr is not None or known is None:
        return
    name = device.thing_name
    key = read_key(place, name)
    if key.encrypted:
        right = hashlib.sha256(key.data.reveal()).hexdigest() == known.files.get(f"{name}.key{key.suffix}")
    else:
        parsed = keys.parsed(key.data.reveal())
        right = parsed is not None and keys.spki_sha256(parsed.public_key()) == known.spki_sha256
    if not right:
        raise DeviceError(
            6,
            DeviceCode.WRONG_KEY,
            f"{name}.key{key.suffix} is not the key that the certificate was issued for",
            advice="put the key back that the run made for this device, then run the same command again",
        )


def _further(
    place: Path,
    *,
    device: Device,
    certificate: Certificate,
    endpoint: Endpoint,
    formats: Sequence[str],
    password: Carried | None,
) -> dict[str, Contents]:
    """Return the files of each further format, by its name; none where it means nothing for the device."""
    formats = [name for name in formats if name in FORMATS]  # listings are no device's
    if not formats:
        return {}  # the key is not read where nobody wants it in another form
    parts = read_parts(place, device, certificate, endpoint)
    if password is not None:
        parts = replace(parts, password=password.arrived())
    return {
        name: FORMATS[name].make(parts) for name in formats if parts.key is not None or not FORMATS[name].needs_key
    }


def _is_bundle(final: Path, name: str, contents: Mapping[str, bytes]) -> bool:
    """Whether a folder is the bundle of this very certificate: nobody else can have put it there."""
    own = f"{name}.pem"
    whole = not final.is_symlink() and final.is_dir()
    return whole and _holds(final / own, contents[own]) and (final / f"{name}.csr").is_file()


def _have(place: Path, contents: Contents) -> None:
    """Have the folder of a format with these files and no other: another endpoint may have other roots."""
    files.private_folder(place)
    for left in place.iterdir():
        if left.name not in contents and (left.is_symlink() or not left.is_dir()):
            files.remove(left)
    _refresh(place, contents)


def _refresh(place: Path, contents: Contents) -> None:
    """Have in a folder what this run would write: it may have been resumed with another endpoint."""
    files.sweep_temporaries(place)
    files.fill(place, {file: data for file, data in contents.items() if not _holds(place / file, plain(data))})


def _holds(path: Path, data: bytes) -> bool:
    try:
        return files.read_file(path) == data
    except FileNotFoundError:
        return False


def _taken(thing_name: str) -> DeviceError:
    return DeviceError(
        6,
        DeviceCode.BUNDLE_TAKEN,
        f"the bundle folder of {thing_name} is there already and is not this run's",
        advice="move it away, then run the same command again",
    )


def _checksums(contents: Contents, further: Mapping[str, Contents]) -> dict[str, str]:
    paths = dict(contents)
    for name, made in further.items():
        paths |= {f"{name}/{file}": data for file, data in made.items()}
    return {path: hashlib.sha256(plain(data)).hexdigest() for path, data in paths.items()}


def _beside(place: Path, device: Device) -> dict[str, str]:
    """Return the checksums of what was there before the bundle: the CSR, and the key if it is encrypted."""
    paths = [place / f"{device.thing_name}.csr"]
    key = keys.key_file(place, device.thing_name)
    if device.csr is None and key is not None and is_sealed(files.read_file(key)):
        paths.append(key)
    return {path.name: hashlib.sha256(files.read_file(path)).hexdigest() for path in paths}


def _key_suffix(place: Path, name: str) -> str:
    key = keys.key_file(place, name)
    return "" if key is None else key.name.removeprefix(f"{name}.key")
