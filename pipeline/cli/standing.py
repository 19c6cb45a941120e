"""What is known of a run before it goes on: whether anything is left to do, its passphrase, what was looked at."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from pipeline import report
from pipeline.binding import binding
from pipeline.counting import counted, plural
from pipeline.layout import RunFolder
from pipeline.ledger import finished_ledger
from pipeline.passwords import read_password
from pipeline.revocation import refuse_revoked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.manifest import Roster
    from pipeline.preflight import Account
    from pipeline.secret import Secret
    from pipeline.settings import Settings

__all__ = ["describe", "finished", "folder_of", "passphrase_of"]


def folder_of(settings: Settings) -> RunFolder:
    """Return the folder that a run lands in."""
    return RunFolder(settings.run_folder, settings.shard)


def finished(settings: Settings, roster: Roster) -> report.Summary | None:
    """Return what the reports say of a run that has nothing left to do. It makes no call and changes no byte.

    Raises:
        RunFolderError: The run was taken back.
    """
    folder = folder_of(settings)
    reader = finished_ledger(folder.ledger)
    if reader is None:
        return None
    with closing(reader):
        refuse_revoked(reader, folder.root)
        meta = reader.meta()
        same = all(meta.get(name) == value for name, value in binding(settings).items())
        if not same or not reader.is_finished(roster.path):
            return None
        return report.summarise(reader, folder)


def passphrase_of(settings: Settings, folders: Sequence[RunFolder]) -> Secret | None:
    """Return the passphrase that encrypts keys, if one was given; asked for twice where no key has it yet."""
    source = settings.encryption.source
    if source is None:
        return None
    places = [place for folder in folders for place in (folder.devices, folder.staging)]
    has_key = any(next(place.rglob("*.key"), None) for place in places)
    return read_password(source, "the passphrase of the keys", confirm=not has_key)


def describe(account: Account, settings: Settings, roster: Roster, tell: Callable[[str], None]) -> None:
    """Say what was found on an account, and what would be done there."""
    totals = roster.totals()
    tell(f"account {account.identity.account} as {account.identity.arn}")
    tell(f"devices connect to {account.endpoint.host}:{account.endpoint.port}")
    for finding in account.findings:
        tell(str(finding))
    for kind, names in account.missing.items():
        if names:
            tell(f"would make the {plural(kind, len(names))} {', '.join(names)}")
    tell(f"would provision {counted(totals.devices, 'device')} in {settings.run_folder}")
    tell(totals.about_keys())
    if words := totals.about_no_policy():
        tell(words)
