"""The key of one device, encrypted in the memory of the process that stores it: plain text never touches the disk.

That process made it, or opened what a worker of a cluster had sealed to it (docs/cluster.md).

Once sealed, a key cannot be read back without an identity or a passphrase, which a run does not have. So its CSR
cannot be made again from it, and the two must never be mixed up: a certificate for one key beside another would be
found out on the line. Before the key gets its name the CSR is durable under a name that only this sealed key leads
to, the SHA-256 of its file; what lies beside a key is its own CSR, whoever wrote what at the same time.

===================================================  =======================================================
killed                                               what the next run finds, and does
===================================================  =======================================================
before or after the CSR is durable under that name   no key: what is half done is swept, both are made anew;
                                                     nothing was sent
after the key has its name (``key.durable``)         the key and, by its hash, the CSR: it gets its own name
after the CSR has its name (``key.receipt``)         both: the CSR is taken up; no passphrase is needed
===================================================  =======================================================

A worker that was given up for dead may still write. Then one of the two keys gets the name (``link``), the other
worker's device fails with ``StrangeKey``, and its CSR is swept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from pipeline import failpoints, files, keys
from pipeline.codes import DeviceCode
from pipeline.device import KeyReceipt
from pipeline.errors import DeviceError
from pipeline.pkcs8 import ENCRYPTED, clear_pem
from pipeline.recipients import age_recipient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.keys import PrivateKey
    from pipeline.pkcs8 import WrappingKey
    from pipeline.settings import KeyType

__all__ = ["AgeSeal", "LockedSeal", "PassphraseSeal", "Seal", "ensure_sealed_key", "is_sealed"]

_AGE = b"age-encryption.org/v1\n"
"""How a binary age file begins."""


class Seal(Protocol):
    """Encrypts keys; crosses to the workers.

    Attributes:
        suffix: What follows ``.key`` in the name of a sealed key's file.
    """

    suffix: ClassVar[str]

    def seal(self, key: bytes) -> bytes:
        """Return the file of a key that is given as PrivateKeyInfo in DER."""


@dataclass(frozen=True, slots=True)
class AgeSeal:
    """Encrypts to age recipients, each of whom can open it: an age file (age-encryption.org/v1) of the PEM."""

    recipients: tuple[str, ...]
    suffix: ClassVar[str] = ".age"

    def seal(self, key: bytes) -> bytes:
        """Return the binary age file."""
        import pyrage  # noqa: PLC0415  an extra, and only encryption needs it

        sealed: bytes = pyrage.encrypt(clear_pem(key), [age_recipient(text) for text in self.recipients])
        return sealed


@dataclass(frozen=True, slots=True)
class PassphraseSeal:
    """Encrypts with a passphrase, from which ``wrapping`` was derived: PKCS #8 PEM that OpenSSL opens."""

    wrapping: WrappingKey
    suffix: ClassVar[str] = ""

    def seal(self, key: bytes) -> bytes:
        """Return the PEM file."""
        return self.wrapping.encrypt(key)


@dataclass(frozen=True, slots=True)
class LockedSeal:
    """Stands for a passphrase that was not given, since no key was left to be made."""

    suffix: ClassVar[str] = ""

    def seal(self, key: bytes) -> bytes:  # noqa: ARG002  as the others
        """Fail the device.

        Raises:
            DeviceError: Always.
        """
        raise DeviceError(
            2,
            DeviceCode.PASSPHRASE_MISSING,
            "its key is still to be made, and the passphrase was not given",
            advice="give --passphrase as before",
        )


def is_sealed(data: bytes) -> bool:
    """Whether the file of a key says of itself that it is encrypted."""
    return data.startswith((_AGE, ENCRYPTED))


def ensure_sealed_key(
    folder: Path,
    thing_name: str,
    common_name: str,
    key_type: KeyType,
    expected: str | None,
    seal: Seal,
    made: Callable[[KeyType, str], tuple[PrivateKey, str]] = keys.generate_signed,
) -> KeyReceipt:
    """Have a sealed key and its CSR on disk, and return the receipt for them.

    Args:
        folder: The device's staging folder.
        thing_name: Names the files.
        common_name: The CSR's only name.
        key_type: The key to make.
        expected: The SPKI hash of a key that was made before: then none other will do.
        seal: Encrypts the key.
        made: Returns a new key and its CSR for the common name, where none is there yet.

    Raises:
        DeviceError: A key is there that this run cannot have made, or the one that should be there is not.
        DiskError: The disk refused.
    """
    files.private_folder(folder)
    path = folder / f"{thing_name}.key{seal.suffix}"
    try:
        sealed = files.read_file(path)
    except FileNotFoundError:
        if expected is not None:
            raise keys.lost(2, thing_name) from None
        return _make(folder, thing_name, partial(made, key_type, common_name), seal)
    if not is_sealed(sealed):
        raise _strange(path, "is not encrypted as the keys of this run are")
    receipt = _take_up(path, thing_name, sealed, expected)
    if expected is None and not _was_asked_for(receipt.csr, common_name, key_type):
        raise _strange(path, f"is not for the {key_type} key of {common_name}")
    return receipt


def _make(folder: Path, thing_name: str, made: Callable[[], tuple[PrivateKey, str]], seal: Seal) -> KeyReceipt:
    if keys.key_file(folder, thing_name) is not None:
        raise _strange(folder / f"{thing_name}.key", "is not encrypted as the keys of this run are")
    files.sweep_temporaries(folder)
    # Only the CSR of a key that was moved away can be here.
    files.remove(folder / f"{thing_name}.csr")
    key, csr = made()
    sealed = seal.seal(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    files.replace_whole(_pending(folder, sealed), csr.encode("ascii"))
    path = folder / f"{thing_name}.key{seal.suffix}"
    try:
        files.create_once(path, sealed, files.SECRET)
    except FileExistsError:
        files.remove(_pending(folder, sealed))
        raise _strange(path, "was written by another process just now") from None
    failpoints.hit("key.durable")
    return _name_csr(path, thing_name, sealed, csr)


def _take_up(path: Path, thing_name: str, sealed: bytes, expected: str | None) -> KeyReceipt:
    """Return the receipt for a key that is there, from the CSR that was made with it."""
    folder = path.parent
    named, pending = folder / f"{thing_name}.csr", _pending(folder, sealed)
    try:
        try:
            receipt = _name_csr(path, thing_name, sealed, files.read_file(pending).decode("ascii"))
        except FileNotFoundError:
            receipt = _receipt(path, sealed, files.read_file(named).decode("ascii"))
    except (FileNotFoundError, ValueError):
        if expected is not None:
            raise keys.lost(2, thing_name) from None
        raise _strange(path, "is there without its CSR") from None
    if expected is not None and receipt.spki_sha256 != expected:
        raise keys.lost(2, thing_name)
    files.sweep_temporaries(folder)
    return receipt


def _name_csr(path: Path, thing_name: str, sealed: bytes, csr: str) -> KeyReceipt:
    receipt = _receipt(path, sealed, csr)
    files.replace_whole(path.with_name(f"{thing_name}.csr"), csr.encode("ascii"))
    files.remove(_pending(path.parent, sealed))
    failpoints.hit("key.receipt")
    return receipt


def _pending(folder: Path, sealed: bytes) -> Path:
    """Return the name of a CSR until its key has one; it is swept where its key never gets one."""
    return folder / f".{hashlib.sha256(sealed).hexdigest()}.tmp"


def _receipt(path: Path, sealed: bytes, csr: str) -> KeyReceipt:
    return KeyReceipt(
        csr=csr,
        spki_sha256=keys.spki_sha256(keys.public_key_of_csr(csr)),
        files={path.name: hashlib.sha256(sealed).hexdigest()},
    )


def _was_asked_for(csr: str, common_name: str, key_type: KeyType) -> bool:
    """Whether a CSR is what the device's row asks for now: a row may change until its key is recorded."""
    request = x509.load_pem_x509_csr(csr.encode("ascii"))
    names = [attribute.value for attribute in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return names == [common_name] and keys.fits(request.public_key(), key_type)


def _strange(path: Path, what: str) -> DeviceError:
    return DeviceError(
        2,
        DeviceCode.STRANGE_KEY,
        f"{path.name} is in the staging folder and {what}",
        advice="it was never sent anywhere: move the file away to have a new key made",
    )
