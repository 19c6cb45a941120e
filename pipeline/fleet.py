"""The runs of one manifest on several accounts and Regions: each a run of its own, all in this process at once.

Nothing is done for any of them before all have looked at their accounts and taken their folders. From then on a
run that something stops ends alone. They share the workshop, and with it the pace of ``--rate``; calls, quotas and
ledgers are each run's own.
"""

from __future__ import annotations

import resource
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from pipeline import gathering
from pipeline.errors import InterruptedRunError, ThingmillError
from pipeline.grouped import most_telling
from pipeline.lanes import LANES
from pipeline.meeting import Meeting
from pipeline.signals import draining
from pipeline.workshop import open_workshop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from pipeline.meter import Meter
    from pipeline.preflight import Account
    from pipeline.run import Run
    from pipeline.settings import KeyType, Settings

__all__ = ["Fleet", "lanes_of_each"]

_LANES_IN_ALL = 2 * LANES
"""Devices in work at once at all targets: each has a connection, which is an open file."""

_FILES_OF_A_TARGET = 11
"""Open files of a run besides: its rows (2), ledger (5), lock, audit trail, and connections to other services (2);
counted in ``/proc`` at 2 and at 10 targets."""

_FILES_BESIDES = 128
"""Those of the process: 30, a pipe for each worker, and those that up to 40 threads write."""


def lanes_of_each(targets: int) -> int:
    """Return how many devices each of so many runs has in work at once, within the files that may be open."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    left = _LANES_IN_ALL
    if most != resource.RLIM_INFINITY:
        left = min(left, most - _FILES_BESIDES - targets * _FILES_OF_A_TARGET)
    return min(LANES, max(left // targets, 1))


@dataclass(slots=True)
class Fleet:
    """Runs that are carried out together.

    Attributes:
        runs: Those that have something to do, by what they are called.
        meter: Is told what happens in all of them.
        finished: The counts of those that have nothing left to do.
        problems: What stopped a run, by its name; a request to stop is none.
        is_interrupted: Whether somebody asked all of them to stop.
        has_begun: Whether all were ready, and devices in work.
    """

    runs: Mapping[str, Run]
    meter: Meter
    finished: Sequence[Meter] = ()
    problems: dict[str, ThingmillError] = field(default_factory=dict)
    is_interrupted: bool = False
    has_begun: bool = False
    _is_whole: bool = True
    _meetings: int = 0

    async def look(self) -> dict[str, Account]:
        """Look at all accounts and change nothing; those that refuse are in ``problems`` and not in the answer."""
        found: dict[str, Account] = {}

        async def look(name: str) -> None:
            found[name] = await self.runs[name].look()

        async with anyio.create_task_group() as group:
            for name in self.runs:
                group.start_soon(self._attempt, name, look)
        return {name: found[name] for name in self.runs if name in found}

    async def execute(self, settings: Settings, key_types: Sequence[KeyType]) -> None:
        """Carry all runs out; what stopped some of them is in ``problems`` afterwards.

        Args:
            settings: What they have in common: key makers and the pace.
            key_types: The keys that are to be made.
        """
        gathering.listen(self.meter, {name: run.meter for name, run in self.runs.items()})
        meeting = Meeting(len(self.runs), self._met)
        async with AsyncExitStack() as stack:
            stack.enter_context(draining(self.request_stop))
            # Closed before any run's folder is let go of: its processes may be writing a key yet.
            async with open_workshop(settings, key_types, self.meter.note) as workshop:

                async def work(name: str) -> None:
                    try:
                        await self.runs[name].work(stack, workshop.for_run(), meeting.wait)
                        self.runs[name].conclude()
                    except BaseException:
                        # The others go on as far as they meet: all that refuse are told at once.
                        self._is_whole = False
                        meeting.leave()
                        raise

                async with anyio.create_task_group() as group:
                    for name in self.runs:
                        group.start_soon(self._attempt, name, work)

    async def _attempt(self, name: str, do: Callable[[str], Awaitable[None]]) -> None:
        try:
            await do(name)
        except InterruptedRunError:
            pass  # said once, for all
        except (ThingmillError, BaseExceptionGroup) as error:
            told = most_telling(error)
            if not isinstance(told, ThingmillError):
                raise
            self.problems[name] = told

    def request_stop(self) -> None:
        """Ask all runs to finish what is in flight and end."""
        self.is_interrupted = True
        self.meter.stopping = True
        self._stop_all()

    def _stop_all(self) -> None:
        for run in self.runs.values():
            run.request_stop()

    def _met(self) -> None:
        """All are where they meet: first with their accounts looked at, then with their devices entered."""
        self._meetings += 1
        if not self._is_whole:
            self._stop_all()
        elif self._meetings == 2:
            self.has_begun = True
            gathering.begin(self.meter, [*self.finished, *(run.meter for run in self.runs.values())])
