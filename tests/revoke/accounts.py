"""An account as a list, to be held against another one; and a revoke of a mill's run."""

from __future__ import annotations

import copy
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pipeline.aws.session import open_registry
from pipeline.meter import Meter
from pipeline.ownership import own
from pipeline.progress.sinks import Silence
from pipeline.revoke import Revoke
from pipeline.scope import Scope
from pipeline.stop import Stop
from tests.core.mill import DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.core.mill import Mill
    from tests.support.awsiot import AwsIotDouble

__all__ = ["MADE", "ROWS", "WHOLE", "Told", "listed", "revoke"]

ROWS = (
    "name,thing_type,groups,billing_group,serial\n"
    "one,Pump,hall-a;pilot,spares,1\n"
    "two,Pump,hall-a,,2\n"
    "three,,hall-b,spares,3\n"
)
MADE = {"create_missing": True, "policy": "line-7", "policy_document": DOCUMENT}
WHOLE = Scope(things=True)


def listed(double: AwsIotDouble) -> dict[str, object]:
    """Return all that is on an account and can be deleted again, with every link between two of them."""
    account = double.account
    return copy.deepcopy(
        {
            "things": account.registry.things,
            "groups": account.registry.groups,
            "billing groups": account.registry.billing_groups,
            "certificates": account.store.certificates,
            "policies": account.policies,
        }
    )


@dataclass
class Told(Silence):
    """What a revoke said of its devices."""

    gone: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def revoked(self, thing_name: str) -> None:
        self.gone.append(thing_name)

    def stays(self, thing_name: str, reason: str) -> None:
        self.kept[thing_name] = reason

    def note(self, message: str) -> None:
        self.notes.append(message)


async def revoke(mill: Mill, scope: Scope | None = None, *, stop_at: str = "", **quotas: float) -> Told:
    """Revoke a mill's run, and return what was said; what it raises passes.

    Args:
        mill: Whose run is meant.
        scope: What of it; by default everything that the account has of it.
        stop_at: The operation at whose first call the revoke is asked to stop.
        quotas: Calls per second of some operations; those of all others nobody waits for.
    """
    told, stop = Told(), Stop()

    def arrived(operation: str, params: Mapping[str, object]) -> None:  # noqa: ARG001  what every hook is told
        if operation == stop_at:
            stop.request()

    mill.double.on_request = arrived
    access = replace(mill.access, quotas=mill.access.quotas | quotas)
    async with AsyncExitStack() as stack:
        registry, _ = await open_registry(stack, access, None, stop, connections=10)
        ledger = await own(stack, mill.folder, registry, await registry.get_caller_identity())
        meter = Meter(listeners=[told])
        asked = Scope(things=True) if scope is None else scope
        job = Revoke(mill.folder, ledger, registry, asked, told, meter, settling=0.1, stop=stop)
        await job.execute()
    assert (job.taken, job.kept) == (len(told.gone), len(told.kept))
    return told
