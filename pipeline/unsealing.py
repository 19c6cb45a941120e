"""Encrypted keys opened in memory, by whoever has an identity or the passphrase.

What pyrage and cryptography say of data that does not open is not passed on: it could quote it.
"""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import privacy
from pipeline.bundles.parts import KeyFile
from pipeline.errors import ThingmillError, UsageError
from pipeline.pkcs8 import ENCRYPTED, Envelope, clear_pem
from pipeline.recipients import missing_extra
from pipeline.secret import Secret
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.pkcs8 import Cost

__all__ = ["KeyNotOpenedError", "Opener", "is_well_formed", "read_identities"]

_MOST_BYTES = 1 << 16
_MOST_DERIVED = 64
"""Keys derived from a passphrase that are kept: a run has one for each time that it was resumed."""

_HEADER = re.compile(
    rb"age-encryption\.org/v1\n"
    rb"(?:-> [!-~]+(?: [!-~]+)*\n(?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{0,63}\n)+"
    rb"--- [A-Za-z0-9+/]{43}\n"
)
"""The header of an age file (age-encryption.org/v1, "Header"): stanzas of recipients, and the MAC."""

_NONCE_AND_TAG = 16 + 16
"""Bytes that the payload of an age file has at least ("Payload")."""


class KeyNotOpenedError(ThingmillError):
    """A key did not open with what was given for it."""


@dataclass(slots=True)
class Opener:
    """Opens keys; from several threads at once.

    Attributes:
        identities: age identities, as ``read_identities`` returned them.
        passphrase: The passphrase, or None.
    """

    identities: Sequence[Any] = field(default=(), repr=False)
    passphrase: Secret | None = None
    _derived: dict[tuple[Cost, bytes], bytes] = field(default_factory=dict, repr=False)
    _deriving: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def can_open(self, key: KeyFile) -> bool:
        """Whether something was given that keys of this kind are opened with."""
        if not key.encrypted:
            return True
        return self.passphrase is not None if _has_passphrase(key) else bool(self.identities)

    def open(self, key: KeyFile) -> KeyFile:
        """Return a key in clear: PKCS #8 PEM. One that is in clear already is returned as it is.

        Raises:
            KeyNotOpenedError: It does not open with what was given, or is damaged.
        """
        if not key.encrypted:
            return key
        try:
            if _has_passphrase(key):
                return KeyFile(Secret(self._open_pem(key.data.reveal())))
            return KeyFile(Secret(self._open_age(key.data.reveal())))
        except ValueError:
            given = "the passphrase" if _has_passphrase(key) else "any identity"
            raise KeyNotOpenedError(f"it does not open with {given} that was given, or is damaged") from None

    def _open_age(self, data: bytes) -> bytes:
        import pyrage  # noqa: PLC0415  an extra; without it there are no identities

        try:
            opened: bytes = pyrage.decrypt(data, list(self.identities))
        except pyrage.DecryptError:
            raise ValueError("not opened") from None
        return opened

    def _open_pem(self, data: bytes) -> bytes:
        if self.passphrase is None:
            raise ValueError("no passphrase")
        envelope = Envelope.parse(data)
        # A third of a second each, so once for all keys that share a salt.
        with self._deriving:
            by = (envelope.cost, envelope.salt)
            if by not in self._derived:
                if len(self._derived) >= _MOST_DERIVED:
                    self._derived.clear()
                self._derived[by] = envelope.cost.derive(self.passphrase, envelope.salt)
            key = self._derived[by]
        return clear_pem(envelope.decrypt(key))


def is_well_formed(key: KeyFile) -> bool:
    """Whether an encrypted key is whole as far as can be seen without opening it."""
    data = key.data.reveal()
    if _has_passphrase(key):
        try:
            Envelope.parse(data)
        except ValueError:
            return False
        return True
    header = _HEADER.match(data)
    return header is not None and len(data) > header.end() + _NONCE_AND_TAG


def read_identities(paths: Iterable[str]) -> list[Any]:
    """Return the identities in files of age (``age-keygen``) and of SSH, as pyrage has them.

    Raises:
        UsageError: A file cannot be read, is open to other users or holds none, or the extra ``encrypt`` is not
            installed.
    """
    found: list[Any] = []
    for path in paths:
        shown = printable(path)
        try:
            with Path(path).open("rb") as file:
                stands = os.fstat(file.fileno())
                data = file.read(_MOST_BYTES)
        except OSError as error:
            raise UsageError(
                f"the identity {shown} cannot be read: {error.strerror}",
                advice="give a file that is there and that you may read: age-keygen makes one",
            ) from None
        privacy.check_readers(path, stands, "an identity that opens keys")
        found += _identities(data, shown)
    return found


def _identities(data: bytes, shown: str) -> list[Any]:
    try:
        # An extra, and only encryption needs it.
        import pyrage  # noqa: PLC0415
    except ImportError as error:
        raise missing_extra() from error
    if data.startswith((b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")):
        raise UsageError(
            f"the identity {shown} is itself encrypted", advice=f"open it on the way: --identity <(age -d {shown})"
        )
    try:
        if data.startswith(b"-----BEGIN "):
            return [pyrage.ssh.Identity.from_buffer(data)]
        lines = [line.strip() for line in data.decode("ascii", errors="replace").splitlines()]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError:
        found = []
    if not found:
        raise UsageError(
            f"{shown} holds no identity that can be used",
            advice="give a file of age-keygen's, or an SSH key (ed25519 or rsa) without a passphrase of its own",
        )
    return found


def _has_passphrase(key: KeyFile) -> bool:
    return key.data.reveal().startswith(ENCRYPTED)
