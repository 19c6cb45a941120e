"""age recipients as a command line or a manifest gives them: themselves, or in files with one a line.

Recipients are public keys. A private one given in their place is refused, and not quoted.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["age_recipient", "checked", "missing_extra", "read"]

_MOST_BYTES = 1 << 20

_BEGINNINGS = ("age1", "ssh-")
_SECRET_MARKS = ("AGE-SECRET-KEY-", "AGE-PLUGIN-", "PRIVATE KEY-----")


def read(given: Iterable[str]) -> tuple[str, ...]:
    """Return recipients sorted, each once, and without the comments of SSH keys.

    Args:
        given: Recipients (``age1…``, ``ssh-ed25519 …``, ``ssh-rsa …``) and paths of files of them, in which ``#``
            begins a comment line (age(1), "Recipients and identities").

    Raises:
        UsageError: One of them is no recipient, a file cannot be read or has none, or the extra ``encrypt`` is not
            installed.
    """
    found: set[str] = set()
    for item in given:
        if item.startswith(_BEGINNINGS) or any(mark in item.upper() for mark in _SECRET_MARKS):
            found.add(checked(item, "--encrypt-to"))
        else:
            found |= {checked(line, place) for place, line in _lines(item)}
    return tuple(sorted(found))


def age_recipient(text: str) -> Any:  # noqa: ANN401  pyrage has no types
    """Return a recipient as pyrage has it.

    Raises:
        ValueError: It is none.
        UsageError: The extra ``encrypt`` is not installed.
    """
    try:
        # An extra, and only encryption needs it.
        import pyrage  # noqa: PLC0415
    except ImportError as error:
        raise missing_extra() from error
    kind = pyrage.ssh if text.startswith("ssh-") else pyrage.x25519
    try:
        return kind.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise ValueError("not an age recipient") from None


def missing_extra() -> UsageError:
    """Return what refuses to work with age where pyrage is missing."""
    return UsageError("age recipients need the extra `encrypt`", advice="pip install 'thingmill[encrypt]'")


def checked(text: str, place: str) -> str:
    """Return a recipient without its comment, having seen that it is one.

    Args:
        text: The recipient itself.
        place: Where it is from, for a message.

    Raises:
        UsageError: It is none, or the extra ``encrypt`` is not installed.
    """
    if any(mark in text.upper() for mark in _SECRET_MARKS):
        raise UsageError(
            f"{place}: this is a private key, and not a recipient",
            advice="give its public half: what age-keygen -y prints, or the SSH key's .pub file",
        )
    # What follows an SSH key is a comment.
    recipient = " ".join(text.split()[:2]) if text.startswith("ssh-") else text.lower()
    if not _works(recipient):
        # What does not even begin like one is not shown: it may be a line of another file than was meant.
        shown = printable(text, 80) if text.lower().startswith(_BEGINNINGS) else "what is there"
        raise UsageError(
            f"{place}: {shown} is no recipient",
            advice="give age1…, ssh-ed25519 … or ssh-rsa … (2,048 bits and more)",
        )
    return recipient


def _works(recipient: str) -> bool:
    """Whether something can be encrypted to a recipient: some that look right are points that nobody may use."""
    try:
        import pyrage  # noqa: PLC0415  an extra, and only encryption needs it

        pyrage.encrypt(b"", [age_recipient(recipient)])
    except (KeyboardInterrupt, SystemExit, UsageError):
        raise
    except ImportError as error:
        raise missing_extra() from error
    except BaseException:  # noqa: BLE001  a panic of the library is none of Exception's
        return False
    return True


def _lines(path: str) -> Iterator[tuple[str, str]]:
    """Yield the recipients in a file, each with its place."""
    shown = printable(path)
    try:
        with Path(path).open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(
            f"the recipients file {shown} cannot be read: {reason}",
            advice="--encrypt-to takes a recipient (age1…, ssh-ed25519 …, ssh-rsa …) or a file with one a line",
        ) from None
    lines = [(f"{shown}:{number}", line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    kept = [(place, line) for place, line in lines if line and not line.startswith("#")]
    if not kept:
        raise UsageError(f"the recipients file {shown} has no recipient", advice="write one a line")
    yield from kept
