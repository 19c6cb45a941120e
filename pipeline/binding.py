"""What a run folder is bound to by its settings: what it was begun with, it goes on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.counting import counted
from pipeline.errors import RunFolderError
from pipeline.settings import Encryption
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pipeline.settings import Settings

__all__ = [
    "JOINED_IN",
    "KEY_ENCRYPTION",
    "LACKS",
    "MERGED",
    "PART",
    "RECIPIENTS",
    "binding",
    "difference",
    "notes",
    "refuse_merged",
]

KEY_ENCRYPTION = "key encryption"
"""The name of what says how keys are encrypted, by a hash where that is to recipients."""

PART = "part of the manifest"
"""The name of what says which devices of its manifest a run has: ``K/N``, or all of them."""

MERGED = "merged"
"""What ``PART`` is in a ledger that was put together from those of several runs."""

RECIPIENTS = "recipients"
"""The name of the note that has these recipients themselves, one a line: a hash could not be turned into them."""

LACKS = "lacks"
"""What joint reports note of why they are not whole, a sentence a line."""

JOINED_IN = "joint reports"
"""The name of the note that has the name of the folder with the reports of this run and of those beside it."""

_MOST_SHOWN = 5


def binding(settings: Settings) -> dict[str, str]:
    """Return what a run folder is bound to by its settings, by name; the account and Region come on top."""
    bound = {
        PART: "the whole" if settings.part is None else str(settings.part),
        "key type": settings.key_type.value,
        "certificates": "inactive" if settings.inactive else "active",
        "sharded": str(settings.shard),
        "formats": " ".join(("pem", *settings.formats)),
        KEY_ENCRYPTION: settings.encryption.binding,
    }
    if not settings.resumes_failed:
        # Forgotten, it would have keys made here for devices that have theirs. failed.csv has the CSRs inline.
        bound["CSR folder"] = "given" if settings.csr_dir is not None else "not given"
    if "pkcs12" in settings.formats:
        # A resumed run that is not told the password again must not leave keys in files that are not encrypted.
        bound["PKCS #12 password"] = "given" if settings.pkcs12_password is not None else "not given"
    return bound


def notes(settings: Settings) -> dict[str, str]:
    """Return what a run notes beside what it is bound to, for people and for ``failed.csv`` that is fed back."""
    recipients = settings.encryption.recipients
    noted = {RECIPIENTS: "\n".join(recipients)} if recipients else {}
    return noted if settings.joined_in is None else noted | {JOINED_IN: settings.joined_in}


def difference(name: str, now: str, before: Mapping[str, str], noted: Mapping[str, str]) -> str:
    """Say that something a run is bound to is not as it was.

    Args:
        name: What.
        now: How it is now.
        before: What the run is bound to, and noted, by name. Its text may be foreign.
        noted: What it would note now (``notes``).
    """
    was = before[name]
    if name != KEY_ENCRYPTION:
        return f"{name} was {printable(was)} and is now {printable(now)}"
    old, new = _recipients(was, before), _recipients(now, noted)
    said = f"{name} was {_method(was, old)} and is now {_method(now, new)}"
    if not (old and new):
        return said
    changes = {"new": sorted(set(new) - set(old)), "left out": sorted(set(old) - set(new))}
    return "; ".join([said, *(f"{what}: {_listed(found)}" for what, found in changes.items() if found)])


def refuse_merged(meta: Mapping[str, str], root: Path) -> None:
    """See that a ledger is a run's own.

    Raises:
        RunFolderError: It was put together from those of several.
    """
    if meta.get(PART) == MERGED:
        raise RunFolderError(
            f"{printable(str(root))} holds the reports of several runs, and is no run itself",
            advice="name one of the runs that it was merged from (summary.json lists them)",
        )


def _recipients(binding: str, noted: Mapping[str, str]) -> Sequence[str]:
    """Return the recipients that a binding stands for, or none where they are not on record."""
    recipients = tuple(noted.get(RECIPIENTS, "").splitlines())
    return recipients if recipients and Encryption(recipients).binding == binding else ()


def _method(binding: str, recipients: Sequence[str]) -> str:
    if not binding.startswith("age "):
        return printable(binding)
    return f"age for {counted(len(recipients), 'recipient')}" if recipients else "age for others, not on record"


def _listed(recipients: Iterable[str]) -> str:
    shown = [printable(recipient, 100) for recipient in recipients]
    more = len(shown) - _MOST_SHOWN
    return ", ".join(shown[:_MOST_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
