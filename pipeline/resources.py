"""What a run made for its devices deleted again: its policies and groups, where nobody else uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.aws.failures import CallError, Failure
from pipeline.codes import CallCode
from pipeline.made import Making, recall
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from pipeline.aws.registry import Registry
    from pipeline.ledger import Reader
    from pipeline.made import Made

    _Pages = Callable[[str, str | None], Awaitable[tuple[list[str], str | None]]]

__all__ = ["delete_made"]


async def delete_made(registry: Registry, reader: Reader, made: Made) -> AsyncIterator[tuple[str, str]]:
    """Delete what a run made, once its devices are taken back; it may be done again.

    Thing types are left: AWS IoT deletes one only five minutes after it was set deprecated.

    Args:
        registry: AWS IoT.
        reader: The run's ledger.
        made: Forgets each name that is gone, so that one of that name is somebody else's from then on.

    Yields:
        What stays, and why.

    Raises:
        CallError: AWS refused for all of them, or gave no answer.
    """
    ways: dict[str, tuple[Callable[[str], Awaitable[None]], _Pages | None]] = {
        "policy": (registry.delete_policy, None),
        "thing group": (registry.delete_thing_group, registry.list_things_in_thing_group),
        "billing group": (registry.delete_billing_group, registry.list_things_in_billing_group),
    }
    known, unsure = recall(reader.meta()), recall(reader.meta(), Making.INTENDED)
    for kind, (delete, members) in ways.items():
        for name in unsure.get(kind, ()):
            yield f"{kind} {name}", "whether this run made it is not certain: no answer came"
        for name in known.get(kind, ()):
            stranger = await _stranger(members, reader, name) if members else None
            if stranger is not None:
                yield f"{kind} {name}", f"the thing {printable(stranger, 128)} is in it, which is not this run's"
                continue
            try:
                await delete(name)
            except CallError as error:
                if error.failure is not Failure.REFUSED:
                    raise
                yield f"{kind} {name}", error.reason
            else:
                await made.note(kind, name, Making.NOT)


async def _stranger(members: _Pages, reader: Reader, group: str) -> str | None:
    """Return a thing in a group that is none of the run's, or None. A group that is gone has none."""
    token: str | None = None
    while True:
        before = token
        names, token = await members(group, token)
        for name in names:
            if reader.seq_of(name) is None:
                return name
        if token is None:
            return None
        if token == before:
            raise CallError("ListThings", Failure.UNANSWERED, CallCode.STRANGE_ANSWER, "its pages do not end")
