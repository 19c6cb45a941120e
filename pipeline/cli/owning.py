"""A run that is there already, taken by a command that goes on with it against AWS IoT."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline import privacy
from pipeline.aws.session import open_registry
from pipeline.binding import refuse_merged
from pipeline.layout import RunFolder
from pipeline.ledger import live_ledger
from pipeline.local import embedded
from pipeline.ownership import own

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pipeline.aws.caller import Caller
    from pipeline.aws.registry import Registry
    from pipeline.ledger import Ledger
    from pipeline.settings import Access
    from pipeline.stop import Stop

__all__ = ["OwnedRun", "owned_run"]


@dataclass(frozen=True, slots=True)
class OwnedRun:
    """A run that this process owns, and the account that it belongs to."""

    folder: RunFolder
    ledger: Ledger
    registry: Registry
    caller: Caller


@asynccontextmanager
async def owned_run(
    root: Path, access: Access, stop: Stop, *, local: bool, connections: int = 10
) -> AsyncIterator[OwnedRun]:
    """Own a run for the length of the block.

    Args:
        root: The run's folder.
        access: How to reach the account; the Region is the run's where it names none.
        stop: Ends waits when the command is asked to stop.
        local: Against the embedded AWS IoT.
        connections: How many calls may be under way at once.

    Raises:
        RunFolderError: Another process has the run, or it belongs to another account or Region.
        DiskError: The run's folder is not ours alone.
        RefusedError: AWS refused.
    """
    privacy.check_run(root)
    async with AsyncExitStack() as stack:
        with closing(live_ledger(root / "ledger.db")) as reader:
            meta = reader.meta()
        refuse_merged(meta, root)
        aws = await stack.enter_async_context(embedded(root.parent / ".local")) if local else None
        folder = RunFolder(root, meta.get("sharded") == str(True))
        access = replace(access, region=access.region or meta.get("Region"))
        registry, caller = await open_registry(stack, access, aws, stop, connections)
        ledger = await own(stack, folder, registry, await registry.get_caller_identity())
        yield OwnedRun(folder, ledger, registry, caller)
