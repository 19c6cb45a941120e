"""``thingmill plan`` and the simulation: whether a run takes as long as they say.

Plan and run get the same manifest and the same options, against the same double, one after the other. The
simulation gets what the plan knows of the machine and of the account, and what the account really grants, which no
plan knows.
"""

from __future__ import annotations

import json
from statistics import fmean
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import children, product
from benchmarks.children import THINGMILL
from benchmarks.double import POLICY, Double, limit, make_policy
from benchmarks.harness import Table, cores, verdict
from benchmarks.processes import cpu_seconds, is_known
from benchmarks.simulation.runs import Machine, Run
from benchmarks.simulation.server import Latency
from pipeline.cores import time_of_key
from pipeline.settings import KeyType

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["measure"]

LEAST, MOST = 0.9, 1.1
"""A run's time, of what was said."""

LOOPBACK = Latency(median=0.003)
"""How long a call to the double is on its way, about."""

BUCKET_SECONDS = 0.1
"""What the double's buckets hold, in seconds of the quota."""

SEEDS = range(1, 6)
"""What a simulation says is the mean over these."""


class _Job(NamedTuple):
    """What is to be done.

    Attributes:
        key_type: The keys.
        devices: How many.
        quotas: Calls per second of the operations whose quota is scarce; the others are ample.
        with_policy: Each device gets a policy.
        believed: What thingmill is told that these quotas are, where that is not so.
    """

    key_type: str
    devices: int
    quotas: Mapping[str, float]
    with_policy: bool = False
    believed: Mapping[str, float] = MappingProxyType({})

    def __str__(self) -> str:
        scarce = " and ".join(
            f"{api} {rate:g}/s" + (f" (taken to be {self.believed[api]:g}/s)" if api in self.believed else "")
            for api, rate in self.quotas.items()
        )
        return f"{self.key_type}, {scarce or 'quotas ample'}"

    def simulated(self) -> float:
        """Return the seconds that it takes by the simulation."""
        key_type = KeyType(self.key_type)
        machine = Machine(cores(), time_of_key(key_type), uneven=key_type.startswith("rsa"), latency=LOOPBACK)
        run = Run(self.devices, self.quotas, self.believed, self.with_policy, BUCKET_SECONDS)
        return fmean(run.seconds(machine, seed) for seed in SEEDS)


JOBS = (
    _Job("ec-p256", 450, {"CreateCertificateFromCsr": 15}),
    _Job("ec-p256", 1500, {"CreateCertificateFromCsr": 50}),
    _Job("rsa-2048", 900, {}),
    _Job("ec-p256", 3000, {}),
    _Job("ec-p256", 600, {"CreateCertificateFromCsr": 30, "AttachPolicy": 20}, with_policy=True),
    _Job("ec-p256", 900, {"CreateCertificateFromCsr": 30}, believed={"CreateCertificateFromCsr": 60}),
)


def measure(*, quick: bool) -> Table:
    """Plan and run each job once."""
    table = Table(
        "Plan and simulation: what they say against what a run takes",
        (
            *("job", "devices", "decides", "run, s", "plan, s", "run/plan", "target"),
            *("simulation, s", "run/simulation", "target", "CPU of the double, s"),
        ),
    )
    with children.workplace() as folder:
        for number, job in enumerate(JOBS):
            place = folder / str(number)
            place.mkdir()
            _compare(table, place, job._replace(devices=job.devices // 15) if quick else job)
    table.note(
        "plan: `thingmill plan --json`; run: `thingmill run` with the same manifest and options, from the start "
        "of the process to its end, start-up included"
    )
    table.note(
        "simulation: `benchmarks/simulation/runs.py`, the mean over five seeds, start-up included; it knows what "
        "the plan knows, and what is really granted"
    )
    table.note(
        f"the double throttles the quotas that are named, with a burst of a tenth; it shares the {cores()} cores "
        "with the run, as AWS does not and the plan does not expect: where keys or coordination decide, the run "
        "is the slower for it"
    )
    return table


def _compare(table: Table, folder: Path, job: _Job) -> None:
    rows = product.manifest(folder, job.devices)
    answer = folder / "plan.json"
    with Double() as double:
        double.ask(make_policy)
        for api, rate in job.quotas.items():
            double.ask(limit, api, rate, max(1.0, BUCKET_SECONDS * rate))
        children.run_to_end(_plan_command(job, rows, double.url), answer)
        before = cpu_seconds(double.pid)
        seconds = children.run_to_end(_run_command(job, rows, double.url, folder))
        shared = cpu_seconds(double.pid) - before
    plan: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    simulated = job.simulated()
    table.rows.append(
        (
            str(job),
            str(job.devices),
            plan["stages"][0]["name"],
            f"{seconds:.1f}",
            *_against(plan["seconds"], seconds, known=not job.believed),
            *_against(simulated, seconds, known=True),
            f"{shared:.1f}" if is_known() else "unknown",
        )
    )


def _against(said: float, seconds: float, *, known: bool) -> tuple[str, str, str]:
    ratio = seconds / said
    reached = verdict(LEAST <= ratio <= MOST, f"{LEAST} to {MOST}") if known else "none: it is told wrong"
    return f"{said:.1f}", f"{ratio:.2f}", reached


def _run_command(job: _Job, rows: Path, url: str, folder: Path) -> list[str]:
    command = product.run_command(rows, url, folder, job.key_type, "--quiet", *_policy(job))
    # Of two quotas of one operation, the later holds.
    told = {**job.quotas, **job.believed}
    return command + [word for api, rate in told.items() for word in ("--quota", f"{api}={rate:g}")]


def _plan_command(job: _Job, rows: Path, url: str) -> list[str]:
    words = _run_command(job, rows, url, rows.parent)
    quotas = words[words.index("--quota") :]
    command = [THINGMILL, "plan", str(rows), "--json", "--key", job.key_type, "--endpoint-url", url]
    return [*command, *_policy(job), *quotas]


def _policy(job: _Job) -> tuple[str, ...]:
    return ("--policy", POLICY) if job.with_policy else ()
