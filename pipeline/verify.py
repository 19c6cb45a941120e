"""Every bundle of a run held against itself, and, when asked, proved over MQTT.

Offline: the folder is 0700 and the key 0400; key, CSR and certificate have one public key; the common name is the
manifest's. With a connection: mutual TLS with the bundle's own files and the server fully verified, client id =
thing name, one message published and acknowledged.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from pipeline import files, mqtt
from pipeline.errors import ThingmillError
from pipeline.hardening import harden
from pipeline.keys import spki_sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.layout import RunFolder
    from pipeline.ledger import Entry, Reader

__all__ = ["Verdict", "verify", "wrong_client_id"]

CONNECTIONS = 16
"""Devices connected at once: AWS IoT takes 500 new connections a second, a factory's uplink far fewer."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one device; ``problem`` is empty when all is well."""

    thing_name: str
    problem: str


async def verify(
    reader: Reader, folder: RunFolder, *, over_mqtt: bool, port: int | None, tell: Callable[[Verdict], None]
) -> None:
    """Look at every finished device of a run.

    Args:
        reader: The run's ledger.
        folder: The run's folder.
        over_mqtt: Connect with each bundle whose files are in order and whose key we hold.
        port: Another port than the bundles say (the embedded AWS IoT may have moved), or None.
        tell: Called with each verdict as it comes.
    """
    harden()  # keys are read in this process
    # Taken before a task is made, given back when it ends: no more tasks than connections, however long the run.
    places = anyio.Semaphore(CONNECTIONS)

    async def one(entry: Entry) -> None:
        try:
            tell(await _judge(entry, folder, over_mqtt=over_mqtt, port=port))
        finally:
            places.release()

    async with anyio.create_task_group() as group:
        for entry in reader.entries("state = 8"):
            await places.acquire()
            group.start_soon(one, entry)


async def wrong_client_id(folder: Path, port: int | None) -> str:
    """Connect with a bundle under another thing's name, and return in what words that was refused.

    Raises:
        ProofError: It was not refused, or the connection failed for another reason.
    """
    bundle = mqtt.read_bundle(folder)
    return await mqtt.prove_refused(replace(bundle, port=port or bundle.port))


async def _judge(entry: Entry, folder: RunFolder, *, over_mqtt: bool, port: int | None) -> Verdict:
    name = entry.device.thing_name
    bundle_folder = folder.bundle(name)
    try:
        problem = await anyio.to_thread.run_sync(_look, entry, bundle_folder)
        if not problem and over_mqtt and entry.device.csr is None:
            bundle = mqtt.read_bundle(bundle_folder)
            await mqtt.prove(replace(bundle, port=port or bundle.port))
    except ThingmillError as error:
        problem = error.message
    except FileNotFoundError as error:
        problem = f"{error.filename} is missing"
    return Verdict(name, problem)


def _look(entry: Entry, folder: Path) -> str:
    """Return what is wrong with a bundle on disk, or nothing."""
    name = entry.device.thing_name
    if stat.S_IMODE(folder.lstat().st_mode) != 0o700:
        return "its folder is open to others (not 0700)"
    try:
        certificate = x509.load_pem_x509_certificate(files.read_file(folder / f"{name}.pem"))
        csr = x509.load_pem_x509_csr(files.read_file(folder / f"{name}.csr"))
    except ValueError:
        return "its certificate or CSR cannot be read"
    hashes = {spki_sha256(certificate.public_key()), spki_sha256(csr.public_key()), entry.spki_sha256}
    if entry.device.csr is None:
        path = folder / f"{name}.key"
        if stat.S_IMODE(path.lstat().st_mode) != files.SECRET:
            return "its key is not 0400"
        hashes.add(_hash_of_key(path))
    if len(hashes) != 1:
        return "key, CSR and certificate do not belong together"
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if [attribute.value for attribute in names] != [entry.device.common_name]:
        return f"the certificate's common name is not {entry.device.common_name}"
    return ""


def _hash_of_key(path: Path) -> str:
    """Return the SPKI hash of a key, or "" where it is none. What a parser says of it is not passed on."""
    try:
        return spki_sha256(load_pem_private_key(files.read_file(path), password=None).public_key())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return ""
