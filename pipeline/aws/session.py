"""From options to calls: clients, budgets and the registry, opened together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.aws import account_quotas, client, expiry, quotas
from pipeline.aws.caller import Caller
from pipeline.aws.registry import Registry

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from pipeline.local import Embedded
    from pipeline.settings import Access
    from pipeline.stop import Stop

__all__ = ["open_registry"]

_EMBEDDED_CREDENTIALS = ("test", "test")


async def open_registry(
    stack: AsyncExitStack, access: Access, embedded: Embedded | None, stop: Stop, connections: int
) -> tuple[Registry, Caller]:
    """Open what calls go through; the stack closes it.

    Args:
        stack: Takes the clients.
        access: How to reach the account.
        embedded: The embedded AWS IoT, which then stands for the account.
        stop: Ends waits when the run is asked to stop.
        connections: How many calls may be under way at once.

    Raises:
        UsageError: No Region is known.
        RefusedError: No client can be made, or the credentials have ended.
    """
    clients = await stack.enter_async_context(
        client.connect(
            profile=access.profile,
            region=embedded.region if embedded else access.region,
            endpoint_url=embedded.endpoint_url if embedded else access.endpoint_url,
            connections=connections,
            credentials=_EMBEDDED_CREDENTIALS if embedded else None,
        )
    )
    expiry.refuse_ended(clients.credentials_end)
    account = {} if embedded else await account_quotas.read(clients.service_quotas)
    caller = Caller(quotas.granted(clients.region, access.quotas, account), stop)
    return Registry(clients, caller), caller
