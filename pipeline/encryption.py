"""What encrypts the keys of a run, settled before its first device: a slip would lock their owner out of them.

Nothing in a run can tell a wrong passphrase from the right one but a key that it opens. So a passphrase is tried
on a key that is there, and nothing about it is kept in the ledger, where it could be guessed at without any key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from pipeline import files, keys
from pipeline.bundles.formats import PKCS12
from pipeline.counting import verb
from pipeline.device import State
from pipeline.errors import UsageError
from pipeline.pkcs8 import WrappingKey
from pipeline.sealing import AgeSeal, LockedSeal, PassphraseSeal
from pipeline.staging import read_key
from pipeline.unsealing import KeyNotOpenedError, Opener

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.bundles.parts import KeyFile
    from pipeline.layout import RunFolder
    from pipeline.ledger import Reader
    from pipeline.sealing import Seal
    from pipeline.secret import Secret
    from pipeline.settings import Encryption

__all__ = ["choose_seal", "keyless", "try_password"]

_MOST_TRIED = 3
"""Keys that a passphrase is tried on, so that one damaged file does not speak for all."""

_OPEN = "outcome IS NULL OR outcome = 'failed'"


def choose_seal(
    encryption: Encryption, passphrase: Secret | None, reader: Reader, folder: RunFolder
) -> Seal | None:
    """Return what encrypts the keys that are left to be made, or None where keys are not encrypted.

    Args:
        encryption: What was asked for, and what the run is bound to.
        passphrase: The passphrase, or None.
        reader: The run's ledger, with the manifest's devices entered.
        folder: The run's folder.

    Raises:
        UsageError: The passphrase is missing and keys are left to be made, or it does not open the keys that are
            there, or none is there to try it on.
    """
    if encryption.recipients:
        return AgeSeal(encryption.recipients)
    if not encryption.passphrase:
        return None
    if passphrase is not None:
        _try(passphrase, reader, folder)
        return PassphraseSeal(WrappingKey.derive(passphrase))
    if left := sum(1 for _ in keyless(reader, folder, _OPEN)):
        raise UsageError(
            f"the keys of this run are encrypted with a passphrase, and {left:,} of them {verb('are', left)} left "
            "to be made",
            advice="give the same --passphrase as before; nothing was done",
        )
    return LockedSeal()


def try_password(password: Secret | None, reader: Reader, folder: RunFolder) -> None:
    """See that a PKCS #12 file that the run has made already opens with the password for those that follow.

    Raises:
        UsageError: It does not: the run's files would have one password here and another there.
    """
    for entry in reader.entries(f"state >= {State.BUNDLED:d}"):
        name = entry.device.thing_name
        try:
            data = files.read_file(folder.bundle(name) / PKCS12 / f"{name}.p12")
        except FileNotFoundError:
            continue
        try:
            load_pkcs12(data, None if password is None else password.reveal())
        except ValueError:
            raise UsageError(
                "the PKCS #12 files that this run has made already do not open with this password",
                advice="give the one that it was begun with",
            ) from None
        return


def keyless(reader: Reader, folder: RunFolder, condition: str) -> Iterator[str]:
    """Yield the things of devices that need a key and have none on disk.

    Args:
        reader: The run's ledger.
        folder: The run's folder.
        condition: SQL of our own that picks devices (never text from outside).
    """
    for entry in reader.entries(f"state < {State.KEYED:d} AND ({condition})"):
        name = entry.device.thing_name
        if entry.device.csr is None and keys.key_file(folder.staged(name), name) is None:
            yield name


def _try(passphrase: Secret, reader: Reader, folder: RunFolder) -> None:
    """See that a passphrase opens a key of the run, if it has any.

    Raises:
        UsageError: It does not, or none is there to try it on.
    """
    opener = Opener(passphrase=passphrase)
    tried = 0
    for key in _keys(reader, folder):
        try:
            opener.open(key)
        except KeyNotOpenedError:
            tried += 1
        else:
            return
        if tried == _MOST_TRIED:
            break
    if tried:
        raise UsageError(
            "the passphrase does not open the keys that this run has made already",
            advice="give the one that it was begun with: keys of one run have one passphrase",
        )
    if any(entry.device.csr is None for entry in reader.entries(f"state >= {State.KEYED:d}")):
        raise UsageError(
            "none of the keys that this run has made is there to try the passphrase on",
            advice="put one bundle back into its place, or give what is left as a manifest with another --name",
        )


def _keys(reader: Reader, folder: RunFolder) -> Iterator[KeyFile]:
    """Yield keys of the run that are there, those that nobody has recorded yet included."""
    for entry in reader.entries("outcome IS NULL OR outcome != 'skipped'"):
        name = entry.device.thing_name
        if entry.device.csr is not None:
            continue
        for place in (folder.bundle(name), folder.staged(name)):
            if keys.key_file(place, name) is not None:
                yield read_key(place, name)
