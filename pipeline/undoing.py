"""One device taken back: its certificate, its thing and its folders, as far as they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread

from pipeline.device import State
from pipeline.purge import has_folders, purge
from pipeline.withdrawal import delete_thing, withdraw

if TYPE_CHECKING:
    from pipeline.aws.registry import Registry
    from pipeline.layout import RunFolder
    from pipeline.ledger import Entry, Ledger
    from pipeline.scope import Scope
    from pipeline.stop import Stop

__all__ = ["undo"]


async def undo(
    entry: Entry, registry: Registry, ledger: Ledger, folder: RunFolder, scope: Scope, stop: Stop
) -> tuple[str, bool]:
    """Take back what there is of a device. It may be done again after it was done or was cut short.

    A device that is begun with is finished, also when that is asked to stop meanwhile: no certificate is left half
    withdrawn.

    Args:
        entry: The device. Of one that is revoked, its thing or its folders may be left.
        registry: AWS IoT.
        ledger: The run's ledger, which notes before the first change that the device may be half taken back.
        folder: The run's folder.
        scope: What is asked for.
        stop: Ends it before its first change.

    Returns:
        Why something stays, or ""; and whether its thing is deleted.

    Raises:
        StoppedError: It was asked to stop before anything was changed.
        CallError: AWS refused something.
        DiskError: The disk refused.
    """
    is_marked = entry.outcome == "revoked"

    async def mark() -> None:
        nonlocal is_marked
        if not is_marked:
            await ledger.revoking(entry.seq)
        is_marked = True

    resolute = registry.resolute(stop, mark)
    arn = entry.certificate.arn if entry.certificate else None
    if arn and entry.outcome != "revoked" and (reason := await withdraw(resolute, arn)):
        return reason, False
    deleted = scope.things and entry.thing_created
    if deleted:
        certain = entry.state > State.LISTED
        if reason := await delete_thing(resolute, entry.device, arn, certain=certain):
            return reason, False
    if scope.purge and has_folders(folder, entry.device.thing_name):
        # Before the device is known as revoked: whoever resumes finds it by that, and removes what is left.
        await mark()
        await anyio.to_thread.run_sync(purge, folder, entry.device.thing_name)
    return "", deleted
