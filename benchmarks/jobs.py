"""The whole job, from the command to the last file, against the script that people write for it.

The script takes one device after another: a key, a CSR, four calls of boto3, two files.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import children, product
from benchmarks.children import PYTHON
from benchmarks.double import POLICY, Double, make_policy
from benchmarks.harness import Table, cores, median, spread, verdict

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["measure"]


class _Job(NamedTuple):
    """What is to be done.

    Attributes:
        key_type: The keys.
        latency: Seconds before each answer.
        devices: How many thingmill provisions.
        scripted: How many the script provisions; its time for the others follows from those.
        target: How many times as fast thingmill should be.
    """

    key_type: str
    latency: float
    devices: int
    scripted: int
    target: float


def measure(*, quick: bool) -> Table:
    """Measure both jobs, a few rounds of each side by turns."""
    table = Table(
        "Whole job: thingmill against a script, one device after another",
        ("job", "devices", "script, s", "thingmill, s", "times as fast", "target"),
    )
    rounds = 1 if quick else 3
    jobs = [
        _Job("rsa-4096", 0.0, 4 if quick else 40, 4 if quick else 40, cores()),
        _Job("ec-p256", 0.1, 100 if quick else 1000, 3 if quick else 20, 20),
    ]
    times: dict[_Job, tuple[list[float], list[float]]] = {job: ([], []) for job in jobs}
    with children.workplace() as folder:
        for turn in range(rounds):
            for job in jobs:
                place = folder / f"{job.key_type}-{turn}"
                place.mkdir()
                scripted, ours = times[job]
                scripted.append(_script(place / "script", job))
                ours.append(_thingmill(place, job))
    for job, (scripted, ours) in times.items():
        factor = median(scripted) / median(ours)
        table.rows.append(
            (
                f"{job.key_type}, {1000 * job.latency:.0f} ms a call",
                str(job.devices),
                spread(scripted),
                spread(ours),
                f"{factor:.2f}x",
                verdict(factor >= job.target, f"≥ {job.target:g}x"),
            )
        )
    _explain(table, jobs, rounds)
    return table


def _explain(table: Table, jobs: list[_Job], rounds: int) -> None:
    rsa, ec = jobs
    uneven = 0.6 * math.sqrt(2 / (rsa.devices * rounds))
    table.note(
        f"from the start of the process to its end, start-up included; {rounds} rounds, median (least to most); "
        "quotas 5000"
    )
    table.note(
        f"{rsa.key_type}: {cores()} cores are all there is to gain; keys take unevenly long, so with "
        f"{rsa.devices * rounds} a side the factor has a standard error of about {100 * uneven:.0f} %"
    )
    table.note(
        f"{ec.key_type}: the script provisions {ec.scripted} devices, and the time of the others is reckoned from "
        f"these; at the 15 CreateCertificateFromCsr a second that accounts begin with, {ec.devices} devices take "
        f"thingmill {ec.devices / 15:.0f} s, and the factor is smaller"
    )


def _thingmill(folder: Path, job: _Job) -> float:
    with Double(job.latency) as double:
        double.ask(make_policy)
        rows = product.manifest(folder, job.devices)
        command = product.run_command(rows, double.url, folder, job.key_type, "--policy", POLICY, "--quiet")
        return children.run_to_end(command)


def _script(folder: Path, job: _Job) -> float:
    folder.mkdir()
    answer = folder / "answer.json"
    with Double(job.latency) as double:
        double.ask(make_policy)
        command = [PYTHON, "-m", "benchmarks.reference", "script", double.url, str(job.scripted)]
        seconds = children.run_to_end([*command, str(folder), job.key_type], answer)
    loop = float(json.loads(answer.read_text(encoding="utf-8"))["seconds"])
    return seconds + (job.devices - job.scripted) * loop / job.scripted
