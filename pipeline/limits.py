"""What a run is held to, told for people: the limit that rules now, the throttles, the grants."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from pipeline.aws.registry import ISSUE
from pipeline.meter import Limit

if TYPE_CHECKING:
    from pipeline.aws.caller import Caller
    from pipeline.aws.gate import Gate
    from pipeline.keymaking import KeyMakers
    from pipeline.workshop import Pace

__all__ = ["listed", "ruling", "scarce", "throttles"]


def listed(caller: Caller) -> str:
    """Return the grants as JSON, for the ledger."""
    return json.dumps({api: asdict(grant) for api, grant in sorted(caller.grants.items())})


def scarce(caller: Caller) -> str:
    """Say what the scarcest calls may use, and who says so."""
    shown = (
        f"{api} {caller.grants[api].rate:g}/s ({caller.grants[api].source})" for api in (ISSUE, "AttachPolicy")
    )
    return f"quotas: {', '.join(shown)}"


def throttles(caller: Caller) -> dict[str, int]:
    """Return how often each operation was throttled, without those that never were."""
    return {api: budget.throttles for api, budget in caller.budgets.items() if budget.throttles}


def ruling(caller: Caller, gate: Gate, key_makers: KeyMakers, rate: Pace | None) -> Limit | None:
    """Return what most devices of a run wait for now; of what it shares with others its own are counted."""
    queues = [
        Limit(api, budget.rate, budget.waiting + (gate.waiting if api == ISSUE else 0))
        for api, budget in caller.budgets.items()
    ]
    queues.append(Limit("key generation", None, key_makers.waiting))
    if rate is not None:
        queues.append(Limit("--rate", rate.rate, rate.waiting))
    longest = max(queues, key=lambda limit: limit.waiting)
    return longest if longest.waiting else None
