"""One device's bundle on disk: nothing missing, nothing foreign, nothing changed, and all of one key."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from pipeline import files
from pipeline.errors import DiskError
from pipeline.inspection import SKEW
from pipeline.keys import spki_sha256
from pipeline.text import printable
from pipeline.verify.findings import Check, Finding
from pipeline.verify.private_key import whole_key_hash

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from pipeline.ledger import Entry

__all__ = ["look"]

_MOST_FOREIGN = 10
"""Foreign files that are named; the rest is counted."""


def look(entry: Entry, folder: Path, now: datetime) -> list[Finding]:
    """Return what is wrong with the bundle of a device that is done.

    Args:
        entry: What the ledger says of it.
        folder: Where its bundle stands.
        now: The time now, aware.
    """
    bundle = _Bundle(entry, folder)
    if not bundle.has_folder():
        return bundle.findings
    bundle.take_stock()
    if entry.device.csr is None:
        bundle.judge_key()
    bundle.judge_csr()
    bundle.judge_certificate(now)
    bundle.judge_checksums()
    return bundle.findings


@dataclass(slots=True)
class _Bundle:
    """A bundle under examination.

    Attributes:
        contents: What the public files hold, by name, as far as they could be read.
        key: What the key's file holds, or None.
        findings: What is wrong so far.
        suspect: Files of which more is known to be wrong than that they were changed.
    """

    entry: Entry
    folder: Path
    contents: dict[str, bytes] = field(default_factory=dict)
    key: bytes | None = field(default=None, repr=False)
    findings: list[Finding] = field(default_factory=list)
    suspect: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.entry.device.thing_name

    def has_folder(self) -> bool:
        """Look at the folder itself, and return whether there is one to look into."""
        try:
            found = self.folder.lstat()
        except FileNotFoundError:
            self._find("FolderMissing", "its folder is missing")
            return False
        except OSError as error:
            self._find("Unreadable", f"its folder cannot be looked at: {error.strerror}")
            return False
        if not stat.S_ISDIR(found.st_mode):
            self._find("NotAFolder", "where its folder should be is something else")
            return False
        self._check_owner("its folder", found)
        if stat.S_IMODE(found.st_mode) != 0o700:
            self._find("FolderMode", f"its folder has mode {stat.S_IMODE(found.st_mode):04o}, not 0700")
        return True

    def take_stock(self) -> None:
        """Hold what is there against what should be, and read it."""
        try:
            there = {path.name for path in self.folder.iterdir()}
        except OSError as error:
            self._find("Unreadable", f"its folder cannot be looked into: {error.strerror}")
            return
        key_name = f"{self.name}.key"
        expected = set(self.entry.files) | ({key_name} if self.entry.device.csr is None else set())
        for name in sorted(expected - there):
            self._find("FileMissing", f"{name} is missing", name)
        foreign = sorted(there - expected)
        for name in foreign[:_MOST_FOREIGN]:
            self._find("ForeignFile", f"{printable(name)} is not of its bundle")
        if len(foreign) > _MOST_FOREIGN:
            self._find("ForeignFile", f"{len(foreign) - _MOST_FOREIGN:,} more files are not of its bundle")
        for name in sorted(expected & there):
            data = self._read(name, secret=name == key_name)
            if name == key_name:
                self.key = data
            elif data is not None:
                self.contents[name] = data

    def _read(self, name: str, *, secret: bool) -> bytes | None:
        path = self.folder / name
        try:
            found = path.lstat()
            if not stat.S_ISREG(found.st_mode):
                self._find("NotAFile", f"{name} is no regular file", name)
                return None
            self._check_owner(name, found)
            if secret and stat.S_IMODE(found.st_mode) != files.SECRET:
                self._find("KeyMode", f"its key has mode {stat.S_IMODE(found.st_mode):04o}, not 0400")
            return files.read_file(path)
        except (OSError, DiskError) as error:
            reason = error.message if isinstance(error, DiskError) else printable(error.strerror or "")
            self._find("Unreadable", f"{name} cannot be read: {reason}", name)
            return None

    def judge_key(self) -> None:
        """See that the key is whole, and the one that was made for this device."""
        name = f"{self.name}.key"
        if self.key is None:
            return
        found = whole_key_hash(self.key)
        if found is None:
            self._find("KeyBroken", f"{name} is not as it was written: some byte of it is no part of a key", name)
        elif found != self.entry.spki_sha256:
            self._find("WrongKey", f"{name} is a whole key, but not the one that was made for this device", name)

    def judge_csr(self) -> None:
        """See that the CSR is one, for this key."""
        name = f"{self.name}.csr"
        data = self.contents.get(name)
        if data is None:
            return
        try:
            csr = x509.load_pem_x509_csr(data)
            found = spki_sha256(csr.public_key()) if csr.is_signature_valid else None
        except Exception:  # noqa: BLE001  parsers of ASN.1 raise many kinds; any of them means the same here
            found = None
        if found is None:
            self._find("CSRBroken", f"{name} is no CSR that holds", name)
        elif found != self.entry.spki_sha256:
            self._find("WrongCSR", f"{name} is for another key than the device's", name)

    def judge_certificate(self, now: datetime) -> None:
        """See that the certificate is the one that was issued, for this key and name, and valid now."""
        name = f"{self.name}.pem"
        data = self.contents.get(name)
        if data is None:
            return
        try:
            certificate = x509.load_pem_x509_certificate(data)
            spki = spki_sha256(certificate.public_key())
            values = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            digest = certificate.fingerprint(hashes.SHA256()).hex()
        except Exception:  # noqa: BLE001  as above
            self._find("CertificateBroken", f"{name} is no certificate that can be read", name)
            return
        names = [str(value.value) for value in values]
        shown = ", ".join(printable(value, 80) for value in names) or "nobody"
        expected = self.entry.device.common_name
        if spki != self.entry.spki_sha256:
            self._find("WrongPair", f"{name} does not belong to its key: it is a certificate for {shown}", name)
        elif names != [expected]:
            self._find("WrongCommonName", f"the common name in {name} is {shown}, not {printable(expected)}", name)
        elif self.entry.certificate is not None and digest != self.entry.certificate.certificate_id:
            self._find("WrongCertificate", f"{name} is for its key, but not the certificate that was issued", name)
        first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not first - SKEW <= now <= last:
            self._find("NotValidNow", f"{name} is valid from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC")

    def judge_checksums(self) -> None:
        """See that each public file is what was written, where nothing more is known to be wrong with it."""
        for name, data in self.contents.items():
            if name not in self.suspect and hashlib.sha256(data).hexdigest() != self.entry.files[name]:
                self._find("ChecksumDiffers", f"{name} was changed since the run wrote it")

    def _check_owner(self, what: str, found: os.stat_result) -> None:
        if found.st_uid != os.geteuid():
            self._find("WrongOwner", f"{what} belongs to another user (uid {found.st_uid})")

    def _find(self, code: str, message: str, file: str | None = None) -> None:
        self.findings.append(Finding(Check.OFFLINE, code, message))
        if file is not None:
            self.suspect.add(file)
