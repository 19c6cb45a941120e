"""A run folder taken into possession: its lock, its audit trail and its ledger, opened in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.audit import AuditTrail
from pipeline.ledger import Ledger
from pipeline.lock import RunLock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AsyncExitStack

    from pipeline.aws.registry import Identity, Registry
    from pipeline.layout import RunFolder

__all__ = ["own"]


async def own(
    stack: AsyncExitStack,
    folder: RunFolder,
    registry: Registry,
    identity: Identity,
    binding: Mapping[str, str] | None = None,
    notes: Mapping[str, str] | None = None,
) -> Ledger:
    """Take a run folder; the stack gives it back.

    From here on every call of ``registry`` that may change something stands in the run's audit trail.

    Args:
        stack: Takes lock, trail and ledger.
        folder: The run's folder, which exists.
        registry: AWS IoT.
        identity: Who makes its calls.
        binding: What the run is bound to besides the account and the Region.
        notes: What it notes besides, by which a difference is told.

    Raises:
        RunFolderError: Another process has it, or it belongs to another account or Region.
        DiskError: The disk refused.
    """
    stack.enter_context(RunLock(folder.lock))
    trail = stack.enter_context(AuditTrail(folder.audit, identity.arn))
    registry.record_by(trail.record)
    ledger = await stack.enter_async_context(Ledger(folder.ledger, trail.flush))
    ledger.aws_clock = identity.clock
    bound = {"account": identity.account, "Region": registry.region} | dict(binding or {})
    await ledger.bind(bound, notes or {})
    return ledger
