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
from pipeline.bundles.parts import KeyFile
from pipeline.codes import FindingCode
from pipeline.counting import counted, verb
from pipeline.errors import DiskError
from pipeline.inspection import SKEW
from pipeline.keys import spki_sha256
from pipeline.secret import Secret
from pipeline.text import printable
from pipeline.unsealing import KeyNotOpenedError, is_well_formed
from pipeline.verify.findings import Check, Finding
from pipeline.verify.private_key import whole_key_hash

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from pipeline.ledger import Entry
    from pipeline.unsealing import Opener

__all__ = ["look", "sealed_key"]

_MOST_FOREIGN = 10
"""Foreign files that are named; the rest is counted."""


def sealed_key(entry: Entry) -> str | None:
    """Return the name of a device's key file where the run encrypted it: of those alone it knows the checksum."""
    names = (f"{entry.device.thing_name}.key{suffix}" for suffix in (".age", ""))
    return next((name for name in names if name in entry.files), None)


def look(entry: Entry, folder: Path, now: datetime, opener: Opener | None = None) -> list[Finding]:
    """Return what is wrong with the bundle of a device that is done.

    Args:
        entry: What the ledger says of it.
        folder: Where its bundle stands.
        now: The time now, aware.
        opener: Opens keys that are encrypted. Without one, such a key is held against what the run wrote.
    """
    bundle = _Bundle(entry, folder, opener)
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
        opener: Opens an encrypted key, or None.
        contents: What the files hold whose checksums are known, by name, as far as they could be read.
        key: What the key's file holds, or None.
        findings: What is wrong so far.
        suspect: Files of which more is known to be wrong than that they were changed.
    """

    entry: Entry
    folder: Path
    opener: Opener | None
    contents: dict[str, bytes] = field(default_factory=dict, repr=False)
    key: bytes | None = field(default=None, repr=False)
    findings: list[Finding] = field(default_factory=list)
    suspect: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.entry.device.thing_name

    @property
    def key_name(self) -> str:
        """The name of its key's file."""
        return sealed_key(self.entry) or f"{self.name}.key"

    def has_folder(self) -> bool:
        """Look at the folder itself, and return whether there is one to look into."""
        try:
            found, above = self.folder.lstat(), self.folder.parent.lstat()
        except FileNotFoundError:
            self._find(FindingCode.FOLDER_MISSING, "its folder is missing")
            return False
        except OSError as error:
            self._find(FindingCode.UNREADABLE, f"its folder cannot be looked at: {error.strerror}")
            return False
        if not stat.S_ISDIR(found.st_mode):
            self._find(FindingCode.NOT_A_FOLDER, "where its folder should be is something else")
            return False
        if not stat.S_ISDIR(above.st_mode):
            # In a run that somebody handed over a link there would have another folder's files read.
            self._find(FindingCode.NOT_A_FOLDER, "what its folder stands in is a link, which is not followed")
            return False
        self._check_owner("what its folder stands in", above)
        self._check_closed("its folder", found)
        return True

    def take_stock(self) -> None:
        """Hold what is there against what should be, and read it."""
        there = self._listed()
        if there is None:
            return
        key_name = self.key_name
        expected = set(self.entry.files) | ({key_name} if self.entry.device.csr is None else set())
        for name in sorted(expected - there):
            self._find(FindingCode.FILE_MISSING, f"{name} is missing", name)
        foreign = sorted(there - expected)
        for name in foreign[:_MOST_FOREIGN]:
            self._find(FindingCode.FOREIGN_FILE, f"{printable(name)} is not of its bundle")
        if (more := len(foreign) - _MOST_FOREIGN) > 0:
            said = f"{counted(more, 'more file')} {verb('are', more)} not of its bundle"
            self._find(FindingCode.FOREIGN_FILE, said)
        for name in sorted(expected & there):
            data = self._read(name, secret=name == key_name)
            if name == key_name:
                self.key = data
            if data is not None and name in self.entry.files:
                self.contents[name] = data

    def _listed(self) -> set[str] | None:
        """Return the paths of all files, or None where its folder cannot be looked into.

        The folders that belong there are those of its formats, which hold files alone.
        """
        formats = {path.partition("/")[0] for path in self.entry.files if "/" in path}
        there: set[str] = set()
        try:
            for path in self.folder.iterdir():
                if path.name in formats and self._is_folder(path):
                    there |= {f"{path.name}/{inner.name}" for inner in path.iterdir()}
                elif path.name not in formats:
                    there.add(path.name)
        except OSError as error:
            self._find(
                FindingCode.UNREADABLE, f"its folder cannot be looked into: {printable(error.strerror or '')}"
            )
            return None
        return there

    def _is_folder(self, path: Path) -> bool:
        """Look at the folder of a format, and return whether it is one."""
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            self._find(FindingCode.NOT_A_FOLDER, f"where its folder {path.name} should be is something else")
            return False
        self._check_closed(f"its folder {path.name}", found)
        return True

    def _read(self, name: str, *, secret: bool) -> bytes | None:
        path = self.folder / name
        try:
            found = path.lstat()
            if not stat.S_ISREG(found.st_mode):
                self._find(FindingCode.NOT_A_FILE, f"{name} is no regular file", name)
                return None
            self._check_owner(name, found)
            if secret and stat.S_IMODE(found.st_mode) != files.SECRET:
                self._find(FindingCode.KEY_MODE, f"its key has mode {stat.S_IMODE(found.st_mode):04o}, not 0400")
            elif "/" in name and stat.S_IMODE(found.st_mode) not in {files.SECRET, files.PUBLIC}:
                # Which of a format's files hold a key is for the format to know: a run gives no third mode.
                mode = stat.S_IMODE(found.st_mode)
                self._find(FindingCode.FILE_MODE, f"{name} has mode {mode:04o}, neither 0400 nor 0644")
            return files.read_file(path)
        except (OSError, DiskError) as error:
            reason = error.message if isinstance(error, DiskError) else printable(error.strerror or "")
            self._find(FindingCode.UNREADABLE, f"{name} cannot be read: {reason}", name)
            return None

    def judge_key(self) -> None:
        """See that the key is whole, and the one that was made for this device."""
        name = self.key_name
        data = self.key if sealed_key(self.entry) is None else self._opened()
        if data is None:
            return
        found = whole_key_hash(data)
        if found is None:
            self._find(
                FindingCode.KEY_BROKEN,
                f"{name} is not as it was written: some byte of it is no part of a key",
                name,
            )
        elif found != self.entry.spki_sha256:
            self._find(
                FindingCode.WRONG_KEY,
                f"{name} is a whole key, but not the one that was made for this device",
                name,
            )

    def _opened(self) -> bytes | None:
        """Return an encrypted key in clear, or None where it cannot be looked into, or what is wrong was found."""
        name = self.key_name
        if self.key is None:
            return None
        key = KeyFile(Secret(self.key), name.removeprefix(f"{self.name}.key"), encrypted=True)
        if not is_well_formed(key):
            self._find(FindingCode.KEY_BROKEN, f"{name} is not as it was written: it is no encrypted key", name)
            return None
        if self.opener is None or not self.opener.can_open(key):
            return None
        try:
            return self.opener.open(key).data.reveal()
        except KeyNotOpenedError as error:
            self._find(FindingCode.KEY_NOT_OPENED, f"{name}: {error.message}")
            return None

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
            self._find(FindingCode.CSR_BROKEN, f"{name} is no CSR that holds", name)
        elif found != self.entry.spki_sha256:
            self._find(FindingCode.WRONG_CSR, f"{name} is for another key than the device's", name)

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
            self._find(FindingCode.CERTIFICATE_BROKEN, f"{name} is no certificate that can be read", name)
            return
        names = [str(value.value) for value in values]
        shown = ", ".join(printable(value, 80) for value in names) or "nobody"
        expected = self.entry.device.common_name
        if spki != self.entry.spki_sha256:
            self._find(
                FindingCode.WRONG_PAIR, f"{name} does not belong to its key: it is a certificate for {shown}", name
            )
        elif names != [expected]:
            self._find(
                FindingCode.WRONG_COMMON_NAME,
                f"the common name in {name} is {shown}, not {printable(expected)}",
                name,
            )
        elif self.entry.certificate is not None and digest != self.entry.certificate.certificate_id:
            self._find(
                FindingCode.WRONG_CERTIFICATE,
                f"{name} is for its key, but not the certificate that was issued",
                name,
            )
        first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not first - SKEW <= now <= last:
            self._find(
                FindingCode.NOT_VALID_NOW,
                f"{name} is valid from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC",
            )

    def judge_checksums(self) -> None:
        """See that each file is what was written, where nothing more is known to be wrong with it."""
        for name, data in self.contents.items():
            if name not in self.suspect and hashlib.sha256(data).hexdigest() != self.entry.files[name]:
                self._find(FindingCode.CHECKSUM_DIFFERS, f"{name} was changed since the run wrote it")

    def _check_closed(self, what: str, found: os.stat_result) -> None:
        self._check_owner(what, found)
        if (mode := stat.S_IMODE(found.st_mode)) != 0o700:
            self._find(FindingCode.FOLDER_MODE, f"{what} has mode {mode:04o}, not 0700")

    def _check_owner(self, what: str, found: os.stat_result) -> None:
        if found.st_uid != os.geteuid():
            self._find(FindingCode.WRONG_OWNER, f"{what} belongs to another user (uid {found.st_uid})")

    def _find(self, code: FindingCode, message: str, file: str | None = None) -> None:
        self.findings.append(Finding(Check.OFFLINE, code, message))
        if file is not None:
            self.suspect.add(file)
