"""A device's staging folder: what it must hold before a request, and how it becomes the bundle."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pipeline import files, keys
from pipeline.bundles import pem
from pipeline.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.bundles.pem import Endpoint
    from pipeline.device import Certificate, Device
    from pipeline.layout import RunFolder

__all__ = ["publish", "read_csr", "see_key"]


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


def publish(folder: RunFolder, device: Device, certificate: Certificate, endpoint: Endpoint) -> dict[str, str]:
    """Write the public files beside key and CSR, and give the folder its place among the bundles, durably.

    It may be done again after it was done, or was cut short, also where the devices' endpoint has changed since.

    Args:
        folder: The run's folder.
        device: Whose bundle it is.
        certificate: The device's own.
        endpoint: Where it connects.

    Returns:
        The hex SHA-256 of each public file by name, the CSR among them.

    Raises:
        DeviceError: The key is gone, or something that is not of this run has the bundle's place.
        DiskError: The disk refused.
    """
    name = device.thing_name
    staged, final = folder.staged(name), folder.bundle(name)
    contents = pem.contents(device, certificate, endpoint)
    checksums = {file: hashlib.sha256(data).hexdigest() for file, data in contents.items()}
    if final.exists():
        # A run may have been killed between the rename and the ledger's next state.
        if staged.exists() or not _is_bundle(final, name, contents):
            raise _taken(name)
        _refresh(final, contents)
        files.sync_move(staged, final)
        return checksums | _checksum(final / f"{name}.csr")
    if not staged.is_dir():
        raise keys.lost(6, name)
    see_key(folder, device, 6)
    try:
        if final.parent != folder.devices:
            files.private_folder(final.parent)
        files.sweep_temporaries(staged)
        files.fill(staged, contents)
        checksums |= _checksum(staged / f"{name}.csr")
        files.publish_folder(staged, final)
    except FileNotFoundError:
        raise keys.lost(6, name) from None
    return checksums


def _is_bundle(final: Path, name: str, contents: Mapping[str, bytes]) -> bool:
    """Whether a folder is the bundle of this very certificate: nobody else can have put it there."""
    own = f"{name}.pem"
    return final.is_dir() and _holds(final / own, contents[own]) and (final / f"{name}.csr").is_file()


def _refresh(final: Path, contents: Mapping[str, bytes]) -> None:
    """Have in a bundle what this run would write: it may have been resumed with another endpoint."""
    files.sweep_temporaries(final)
    files.fill(final, {file: data for file, data in contents.items() if not _holds(final / file, data)})


def _holds(path: Path, data: bytes) -> bool:
    try:
        return files.read_file(path) == data
    except FileNotFoundError:
        return False


def _taken(thing_name: str) -> DeviceError:
    return DeviceError(
        6,
        "BundleTaken",
        f"the bundle folder of {thing_name} is there already and is not this run's",
        advice="move it away, then run the same command again",
    )


def _checksum(path: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(files.read_file(path)).hexdigest()}
