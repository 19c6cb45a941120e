"""Things that have an old certificate, and what is asked of an account before and after it is retired."""

from __future__ import annotations

from contextlib import AsyncExitStack, closing
from typing import TYPE_CHECKING

from pipeline.ledger import live_ledger
from pipeline.ownership import own
from pipeline.retire import retire
from pipeline.rotation import Rotation
from pipeline.settings import Existing
from pipeline.sightings import Connection
from pipeline.stop import Stop
from tests.core.mill import POLICY, registry_of
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline.retire import Retired
    from tests.core.mill import Mill
    from tests.support.awsiot.account import Account

__all__ = ["give_old", "retire_all", "retire_seen", "rotate"]


def give_old(account: Account, *names: str, policy: str = POLICY) -> str:
    """Give things, which are made if need be, one active certificate that they all have; return its ARN."""
    certificate = account.store.issue(make_csr(f"old-{names[0]}").pem, active=True)
    for name in names:
        account.registry.create_thing(name, None, {}, None)
        account.attach_principal(name, certificate.arn)
    account.attach_policy(policy, certificate.arn)
    return certificate.arn


async def rotate(mill: Mill, *names: str) -> dict[str, str]:
    """Give each thing an old certificate, then a new one; return the ARNs of the old ones."""
    old = {name: give_old(mill.double.account, name) for name in names}
    await mill.run("\n".join(names), existing=Existing.ROTATE)
    return old


async def retire_all(mill: Mill, *, tell: Callable[[Retired], None] | None = None) -> dict[str, Retired]:
    """Retire the old certificates of all devices of a mill's run."""
    return await _retire(mill, (), Stop(), tell, everybody=True)


async def retire_seen(
    mill: Mill, *names: str, stop: Stop | None = None, tell: Callable[[Retired], None] | None = None
) -> dict[str, Retired]:
    """Retire those of the named devices."""
    return await _retire(mill, (Connection(name, None) for name in names), stop or Stop(), tell)


async def _retire(
    mill: Mill,
    seen: Iterable[Connection],
    stop: Stop,
    tell: Callable[[Retired], None] | None,
    *,
    everybody: bool = False,
) -> dict[str, Retired]:
    found: dict[str, Retired] = {}

    def add(retired: Retired) -> None:
        found[retired.thing_name] = retired
        if tell is not None:
            tell(retired)

    with closing(live_ledger(mill.folder.ledger)) as reader, Rotation(reader) as rotation:
        rotation.watch(seen)
        rotation.choose(everybody=everybody)
        async with AsyncExitStack() as stack:
            registry = await stack.enter_async_context(registry_of(mill))
            ledger = await own(stack, mill.folder, registry, await registry.get_caller_identity())
            await retire(registry, ledger, rotation, stop, add)
    return found
