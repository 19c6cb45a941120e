"""A whole run in virtual time: keys, files and coordination on a machine's cores, calls at an account's quotas.

What each piece of work takes of a core is what ``thingmill plan`` reckons with (``pipeline.cores``). What that
leaves out is here: how a run begins, fills up and runs dry, keys that take unevenly long, and throttles.

>>> run = Run(devices=150, quotas={"CreateCertificateFromCsr": 15.0})
>>> 10.0 < run.seconds(Machine(cores=2, key_seconds=1e-4)) < 13.0
True
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.simulation.kernel import Kernel, Places
from benchmarks.simulation.server import Latency, Server
from benchmarks.simulation.station import Station, call
from pipeline.aws.rate import Rate
from pipeline.cores import CALL_SECONDS, DEVICE_SECONDS, FILES_SECONDS, SINGLY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.simulation.kernel import Process
    from benchmarks.simulation.station import Pace, Step

__all__ = ["Machine", "Run"]

AMPLE = 5000.0
"""Calls per second of an operation whose quota is not named."""

SLICE_SECONDS = 0.0005
"""How long who comes from a wait, as the coordinator does for each call, waits at most for a core that has a
worker: schedulers prefer it to who uses its slices up."""

MOST_TURNS = 50
"""A long piece of work takes no more turns than these, or simulating it would take longer than doing it."""

UNEVENNESS = 2.4
"""How unevenly RSA keys take, as the shape of a gamma distribution: of 300 RSA-2048 keys, the mean over the
standard deviation, squared."""

START_SECONDS = 1.2
"""From the start of a run's process to its first device, and from its last one to its end (benchmarks/results.md,
memory: the first device is done after 2 s, of which its own way takes the rest)."""

BEFORE = ("DescribeThing", "CreateThing")
AFTER = ("AttachThingPrincipal",)
ISSUE = "CreateCertificateFromCsr"


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run works on.

    Attributes:
        cores: How many.
        key_seconds: What one of them takes for a key and its CSR, on average.
        uneven: Whether keys take unevenly long, and come singly: those of RSA.
        workers: Processes that make keys; one a core, if 0.
        latency: How long calls are on their way.
    """

    cores: int
    key_seconds: float
    uneven: bool = False
    workers: int = 0
    latency: Latency = field(default_factory=Latency)


@dataclass(frozen=True, slots=True)
class Run:
    """What is to be done.

    Attributes:
        devices: How many, none of whose things is there yet.
        quotas: Calls per second that the account grants, of the operations whose quota is scarce.
        believed: What the run takes them to be, where that is more.
        with_policy: Each device gets a policy.
        bucket: What the account's bucket holds, in seconds of the quota; one call at the least.
    """

    devices: int
    quotas: Mapping[str, float] = field(default_factory=dict)
    believed: Mapping[str, float] = field(default_factory=dict)
    with_policy: bool = False
    bucket: float = 1.0

    @property
    def after(self) -> tuple[str, ...]:
        """The calls that follow the certificate."""
        return (*AFTER, "AttachPolicy") if self.with_policy else AFTER

    def seconds(self, machine: Machine, seed: int = 1) -> float:
        """Return how long the run takes, from the start of its process to its end."""
        kernel, source = Kernel(), random.Random(seed)  # noqa: S311  no secret
        server = Server(kernel, machine.latency, source)
        for api, quota in self.quotas.items():
            server.throttle.limit(api, quota, max(1.0, quota * self.bucket))
        apis = (*BEFORE, ISSUE, *self.after)
        grants = {**dict.fromkeys(apis, AMPLE), **self.quotas, **self.believed}
        rates: dict[str, Pace] = {api: Rate(rate) for api, rate in grants.items()}
        station = Station(kernel, server, 0, rates, source)
        station.begin(self.devices, self._steps(kernel, machine, source))
        kernel.run()
        return START_SECONDS + station.done[-1]

    def _steps(self, kernel: Kernel, machine: Machine, source: random.Random) -> Sequence[Step]:
        cores = _Cores(kernel, machine.cores)
        workers = Places(kernel, machine.workers or machine.cores)
        # One process: what it does for one device, it does not do for another at the same time.
        coordinator = Places(kernel, 1)

        def key() -> float:
            if not machine.uneven:
                return machine.key_seconds
            return source.gammavariate(UNEVENNESS, machine.key_seconds / UNEVENNESS) + SINGLY_SECONDS

        # What a device takes besides its calls (commits, wake-ups, the report) comes in between them.
        besides = DEVICE_SECONDS / (len(BEFORE) + 1 + len(self.after))

        def paid(api: str) -> list[Step]:
            each = CALL_SECONDS + besides
            return [cores.step(coordinator, lambda: each, first=True), call(api, steady=api == ISSUE)]

        return [
            *(step for api in BEFORE for step in paid(api)),
            cores.step(workers, key),
            *paid(ISSUE),
            cores.step(workers, lambda: FILES_SECONDS),
            *(step for api in self.after for step in paid(api)),
        ]


class _Cores:
    """Cores that processes share by turns.

    Args:
        kernel: The clock.
        number: How many.
    """

    def __init__(self, kernel: Kernel, number: int) -> None:
        self._places = Places(kernel, number)

    def step(self, processes: Places, seconds: Callable[[], float], *, first: bool = False) -> Step:
        """Return the step that takes so long of a core, in one of some processes.

        Args:
            processes: Which.
            seconds: How long this time.
            first: It waits for no other, and is not interrupted.
        """

        def done(station: Station) -> Process[None]:
            del station
            yield from processes.take()
            left = seconds()
            turn = left if first else max(SLICE_SECONDS, left / MOST_TURNS)
            while left > 0:
                yield from self._places.take(first=first)
                part = min(left, turn)
                yield part
                self._places.give()
                left -= part
            processes.give()

        return done
