"""What a fault does to one call, before and after its effect."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.support.awsiot.faults import Drop, Fail, Hang, LateCommit, Slow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.awsiot.faults import Fault

    Wait = Callable[[], Awaitable[None]]

__all__ = ["SilenceError", "strike_after", "strike_before"]


class SilenceError(Exception):
    """The connection ends without an answer; ``outcome`` is for the journal."""

    def __init__(self, outcome: str, *, reset: bool = False) -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.reset = reset


async def strike_before(fault: Fault | None, client_left: Wait) -> None:
    """Do what a fault does before the effect. A late commit waits here.

    Args:
        fault: What was chosen for the call.
        client_left: Waits until the client has gone, or the double stops.

    Raises:
        AwsError: To be answered, without an effect.
        SilenceError: No answer, and no effect.
    """
    match fault:
        case Fail(after=False):
            raise fault.error()
        case Drop(after=False, reset=reset):
            raise SilenceError("dropped", reset=reset)
        case Hang(after=False):
            await client_left()
            raise SilenceError("hung")
        case LateCommit(seconds):
            await client_left()
            await asyncio.sleep(seconds)
        case _:
            pass


async def strike_after(fault: Fault | None, client_left: Wait) -> None:
    """Do what a fault does after the effect, as ``strike_before``.

    Raises:
        AwsError: To be answered, though the effect took place.
        SilenceError: No answer, though the effect took place.
    """
    match fault:
        case Fail(after=True):
            raise fault.error()
        case Drop(after=True, reset=reset):
            raise SilenceError("dropped", reset=reset)
        case Hang(after=True):
            await client_left()
            raise SilenceError("hung")
        case LateCommit():
            raise SilenceError("hung")
        case Slow(seconds):
            await asyncio.sleep(seconds)
        case _:
            pass
