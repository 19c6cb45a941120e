"""What the account has and lacks of what the manifest names: policies, thing types, thing groups, billing groups.

Asking changes nothing; what may be made is made afterwards by ``make_missing``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio

from pipeline.aws.failures import CallError, Failure
from pipeline.bundles.parts import HOST_NAME, Endpoint
from pipeline.bundles.roots import amazon_roots
from pipeline.counting import counted, verb
from pipeline.errors import RefusedError
from pipeline.made import Making
from pipeline.stop import StoppedError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from pipeline.aws.registry import Identity, Registry
    from pipeline.local import Embedded
    from pipeline.manifest import Place, Roster
    from pipeline.preflight.finding import Finding
    from pipeline.settings import Settings

__all__ = ["Account", "look", "make_missing"]

MQTT_PORT = 8883
_LAST_PORT = 65_535

_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Account:
    """An account that is ready for a run, but for what ``make_missing`` will make.

    Attributes:
        identity: Whose credentials these are.
        endpoint: Where devices connect.
        missing: Names that the account lacks, by what they are.
        findings: What all checks of a run found that it need not stop for.
    """

    identity: Identity
    endpoint: Endpoint
    missing: Mapping[str, tuple[str, ...]]
    findings: tuple[Finding, ...] = ()


async def look(
    registry: Registry, settings: Settings, roster: Roster, embedded: Embedded | None, identity: Identity
) -> Account:
    """Look at the account, changing nothing.

    Raises:
        RefusedError: AWS refused, or something is missing that is not to be made; the message names each thing
            and where the manifest asks for it.
    """
    if embedded is not None and roster.billing_groups():
        raise RefusedError(
            "the embedded AWS IoT has no billing groups, and the manifest names one",
            advice="try the manifest without them, or run it against an account",
        )
    try:
        endpoint = await _endpoint(registry, embedded)
        missing = {
            "thing type": await _absent(registry.has_thing_type, roster.thing_types()),
            "thing group": await _absent(registry.has_thing_group, roster.groups()),
            "billing group": await _absent(registry.has_billing_group, roster.billing_groups()),
            "policy": await _absent(partial(_has_policy, registry, settings), roster.policies()),
        }
    except CallError as error:
        raise error.for_run() from error
    makeable = set()
    if settings.create_missing:
        makeable |= {"thing type", "thing group", "billing group"}
    complaints = {
        kind: [
            _complaint(kind, name, places[name])
            for name in missing[kind]
            if kind not in makeable and not (kind == "policy" and _is_ours(settings, name))
        ]
        for kind, places in _places(roster).items()
    }
    if any(complaints.values()):
        lacks = _named({kind: len(found) for kind, found in complaints.items() if found})
        raise RefusedError(
            f"account {identity.account} in {registry.region} lacks {lacks} asked for",
            advice="make them, correct the names, or (all but policies) have them made with --create-missing; "
            "a policy is made from a file with --policy FILE.json",
            details=[complaint for found in complaints.values() for complaint in found],
        )
    return Account(identity, endpoint, missing)


async def make_missing(
    registry: Registry, settings: Settings, account: Account, note: Callable[[str, str, Making], Awaitable[None]]
) -> None:
    """Make what ``check`` found missing and the user asked to have made.

    Args:
        registry: AWS IoT.
        settings: What the run is asked to do.
        account: What ``check`` found.
        note: Makes durable how far the making of something of this kind and name has come. Whoever takes the run
            back deletes only what the run made.

    Raises:
        RefusedError: AWS refused.
    """
    document = settings.policy_document or ""
    makers: dict[str, Callable[[str], Awaitable[None]]] = {
        "thing type": registry.create_thing_type,
        "thing group": registry.create_thing_group,
        "billing group": registry.create_billing_group,
        "policy": partial(registry.create_policy, document=document),
    }
    for kind, make in makers.items():
        for name in account.missing[kind]:
            await note(kind, name, Making.INTENDED)
            try:
                await make(name)
            except CallError as error:
                if error.failure is not Failure.UNANSWERED:
                    await note(kind, name, Making.NOT)
                raise error.for_run() from error
            except StoppedError:
                await note(kind, name, Making.NOT)
                raise
            await note(kind, name, Making.DONE)


async def _endpoint(registry: Registry, embedded: Embedded | None) -> Endpoint:
    if embedded is not None:
        return Endpoint(embedded.mqtt_host, embedded.mqtt_port, embedded.ca_pem)
    answer = await registry.describe_endpoint()
    # An emulator may add a port to the host.
    host, colon, after = answer.partition(":")
    said = after if colon else str(MQTT_PORT)
    if not HOST_NAME.fullmatch(host) or not _PORT.fullmatch(said) or int(said) > _LAST_PORT:
        raise RefusedError(
            f"DescribeEndpoint answered {printable(answer)!r}, which is no host name",
            advice="see that --endpoint-url leads to AWS IoT, and that no proxy answers in its place",
        )
    return Endpoint(host, int(said), amazon_roots())


async def _absent(exists: Callable[[str], Awaitable[bool]], names: Iterable[str]) -> tuple[str, ...]:
    """Return which names do not exist, in their order; the questions go out together."""
    found: dict[str, bool] = {}

    async def ask(name: str) -> None:
        found[name] = await exists(name)

    asked = list(names)
    try:
        async with anyio.create_task_group() as group:
            for name in asked:
                group.start_soon(ask, name)
    except BaseExceptionGroup as failures:
        # They all fail for one reason (credentials, permission); the first says it.
        raise failures.exceptions[0] from None
    return tuple(name for name in asked if not found[name])


async def _has_policy(registry: Registry, settings: Settings, name: str) -> bool:
    document = await registry.get_policy(name)
    if document is None:
        return False
    if _is_ours(settings, name) and not _same_document(document, settings.policy_document or ""):
        raise RefusedError(
            f"policy {name} exists with another document than the file given with --policy",
            advice="give the file another name (a policy is named after its file), or update the policy yourself",
        )
    return True


def _same_document(one: str, other: str) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


def _is_ours(settings: Settings, name: str) -> bool:
    return settings.policy_document is not None and name == settings.defaults.policy


def _places(roster: Roster) -> dict[str, dict[str, Place | None]]:
    return {
        "thing type": roster.thing_types(),
        "thing group": roster.groups(),
        "billing group": roster.billing_groups(),
        "policy": roster.policies(),
    }


def _complaint(kind: str, name: str, place: Place | None) -> str:
    sentence = f"there is no {kind} {name}"
    return f"the command line: {printable(sentence)}" if place is None else str(place.fault(sentence))


def _named(numbers: Mapping[str, int]) -> str:
    """Return how many there are of each kind, and the verb for all of them: ``one policy that is``."""
    *before, last = (f"one {kind}" if number == 1 else counted(number, kind) for kind, number in numbers.items())
    words = f"{', '.join(before)} and {last}" if before else last
    return f"{words} that {verb('are', sum(numbers.values()))}"
