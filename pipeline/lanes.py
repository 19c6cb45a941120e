"""Devices from the ledger through lanes, until every one has an outcome or the run is stopped.

Each lane takes one device at a time from a bounded stream and walks it through the steps of ``issuance``. Lanes
wait in the queues of the budgets and of the key workers, so the stages of one device overlap with those of others:
things and keys run ahead of the scarce CreateCertificateFromCsr, as far as there are lanes and no farther. Memory
depends on the number of lanes, not on the number of devices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from pipeline.aws.failures import CallError, Failure
from pipeline.breaker import Breaker
from pipeline.device import State
from pipeline.errors import DeviceError, ThingmillError
from pipeline.ledger import IN_ROSTER
from pipeline.stop import StoppedError
from pipeline.things import SkippedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from pipeline.issuance import Issuance
    from pipeline.ledger import Entry
    from pipeline.workshop import Pace

__all__ = ["LANES", "Lanes"]

LANES = 256
"""Devices in work at once. Twice what a quota of 350 calls a second needs at 300 ms a call."""


@dataclass(slots=True)
class Lanes:
    """The devices of one process of a run.

    Attributes:
        issuance: Takes one device through the steps.
        rate: How many devices a second may be begun, or None.
        abort: Is told what concerns the whole run, which it then stops.
        most: How many devices are in work at once; ``LANES`` where nothing is said.
        within_roster: Only the devices of the manifest are meant, where the ledger has others too.
    """

    issuance: Issuance
    rate: Pace | None
    abort: Callable[[ThingmillError], None]
    most: int | None = None
    within_roster: bool = False
    _breaker: Breaker = field(default_factory=Breaker)

    async def drive(self, devices: int) -> None:
        """Take every device as far as it goes.

        Args:
            devices: How many there are in the run: more lanes than these are of no use.
        """
        most = LANES if self.most is None else self.most
        async with anyio.create_task_group() as group:
            sending, receiving = anyio.create_memory_object_stream["Entry"](max_buffer_size=most)
            async with receiving:
                for _ in range(min(most, max(devices, 1))):
                    group.start_soon(self._lane, receiving.clone())
            await self._feed(sending)

    async def _feed(self, sending: MemoryObjectSendStream[Entry]) -> None:
        """Give the lanes what is unfinished, in the manifest's order, doubts first: they share one look."""
        doubtful: set[int] = set()  # they move on while the others are read, and must not be given out twice
        meant = IN_ROSTER if self.within_roster else "1"
        in_doubt = f"state = {State.REQUESTED:d}"
        async with sending:
            try:
                await self.issuance.reconciler.removal.finish()
                number = self.issuance.ledger.read.count(f"outcome IS NULL AND {in_doubt} AND {meant}")
                self.issuance.reconciler.told.expect(number)
                for condition in (in_doubt, f"state < {State.REQUESTED:d} OR state IN (5, 6, 7)"):
                    unfinished = f"outcome IS NULL AND ({condition}) AND {meant}"
                    for entry in self.issuance.ledger.read.entries(unfinished):
                        if entry.state is State.REQUESTED:
                            doubtful.add(entry.seq)
                        elif entry.seq in doubtful:
                            continue
                        with self.issuance.stop.interruptible():
                            await sending.send(entry)
            except StoppedError:
                pass
            except CallError as error:
                self.abort(error.for_run())
            except ThingmillError as error:
                self.abort(error)

    async def _lane(self, receiving: MemoryObjectReceiveStream[Entry]) -> None:
        stop = self.issuance.stop
        async with receiving:
            async for entry in receiving:
                if stop.requested:
                    return
                try:
                    if self.rate is not None:
                        with stop.interruptible():
                            await self.rate.acquire()
                    await self._attend(entry)
                except StoppedError:
                    return
                except CallError as error:
                    self.abort(error.for_run())
                    return
                except ThingmillError as error:
                    self.abort(error)
                    return

    async def _attend(self, entry: Entry) -> None:
        """Provision a device, and record an outcome that is its own; what concerns the whole run is raised."""
        try:
            await self.issuance.provision(entry)
            self._breaker.succeeded()
        except SkippedError as skipped:
            await self.issuance.ledger.skipped(entry.seq, skipped.reason)
            self.issuance.meter.skip(entry.device, skipped.reason)
        except DeviceError as error:
            await self._fail(entry, error)
        except CallError as error:
            if error.failure is Failure.FATAL:
                raise
            await self._fail(entry, error.for_device(4))

    async def _fail(self, entry: Entry, error: DeviceError) -> None:
        await self.issuance.ledger.failed(entry.seq, error)
        self.issuance.meter.fail(entry.device, error)
        broken = self._breaker.failed(error)
        if broken is not None:
            self.abort(broken)
