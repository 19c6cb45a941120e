"""Keys per second of a run, against all cores calling ``cryptography`` and doing nothing else.

Both sides are measured alike: from the first key that is finished to the last one before a core runs out of work.
"""

from __future__ import annotations

import math
import multiprocessing
import statistics
import time
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from benchmarks import children, product
from benchmarks.children import LONGEST_SECONDS
from benchmarks.double import Double
from benchmarks.harness import Table, cores, median, spread, verdict
from benchmarks.processes import CpuClock
from pipeline.settings import KeyType

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Barrier
    from pathlib import Path

__all__ = ["measure"]

TARGET = 0.97


class _Made(NamedTuple):
    """One key of the bare side: when it was finished, and how long its core took (seconds)."""

    at: float
    took: float


def measure(*, quick: bool) -> Table:
    """Measure RSA keys of two sizes, a few rounds of each side by turns."""
    table = Table(
        "Keys: a run against the bare sum of all cores",
        ("keys", "made a side", "bare, keys/s", "thingmill, keys/s", "ratio ± standard error", "target"),
    )
    rounds = 2 if quick else 4
    plan = {KeyType.RSA_2048: 30 if quick else 400, KeyType.RSA_4096: 8 if quick else 50}
    for key_type, count in plan.items():
        _compare(table, key_type, count + cores(), rounds)
    table.note("bare: one process a core makes keys and signs CSRs with `cryptography`, and writes nothing")
    table.note("thingmill: `run` with every call, file and fsync; keys timed by the KEYED events of `--json`")
    table.note("median (least to most) of the rounds; the ratio is of all keys over all time of each side")
    table.note("RSA keys take unevenly long: the standard error follows from how unevenly the bare ones did")
    return table


def _compare(table: Table, key_type: KeyType, count: int, rounds: int) -> None:
    bare: list[list[_Made]] = []
    ours: list[list[float]] = []
    shares: list[tuple[float, float, float]] = []
    with children.workplace() as folder:
        for turn in range(rounds):
            bare.append(_bare(key_type, count))
            keyed, share = _ours(folder / str(turn), key_type, count)
            ours.append(keyed)
            shares += share
    bare_rates = [_rate([key.at for key in made]) for made in bare]
    our_rates = [_rate(times) for times in ours]
    ratio = _pooled(ours) / _pooled([[key.at for key in made] for made in bare])
    took = [key.took for made in bare for key in made]
    uneven = statistics.stdev(took) / statistics.mean(took)
    made = rounds * (count - cores())
    error = ratio * uneven * math.sqrt(2 / made)
    table.rows.append(
        (
            str(key_type),
            str(made),
            spread(bare_rates),
            spread(our_rates),
            f"{ratio:.3f} ± {error:.3f}",
            verdict(ratio >= TARGET, f"≥ {TARGET}"),
        )
    )
    if shares:
        workers, coordinator, double = (100 * median(column) for column in zip(*shares, strict=True))
        idle = 100 - workers - coordinator - double
        table.note(
            f"{key_type}: of the time of all cores, {workers:.1f} % went into workers, which make keys and write "
            f"files, {coordinator:.1f} % into the coordinator, which makes the calls, {double:.1f} % into the "
            f"double, which stands for AWS and shares these cores, and {idle:.1f} % into nothing of ours"
        )


def _rate(times: list[float]) -> float:
    """Return keys per second while every core has work: the last ones are made while others are idle already."""
    return _counted(times)[0] / _counted(times)[1]


def _pooled(rounds: list[list[float]]) -> float:
    counts, seconds = zip(*map(_counted, rounds), strict=True)
    return float(sum(counts) / sum(seconds))


def _counted(times: list[float]) -> tuple[int, float]:
    busy = sorted(times)[: len(times) - cores() + 1]
    return len(busy) - 1, busy[-1] - busy[0]


def _ours(folder: Path, key_type: KeyType, count: int) -> tuple[list[float], list[tuple[float, float, float]]]:
    """Return when each key of a run was durable, and the shares of the cores' time of all."""
    folder.mkdir()
    events = folder / "events.jsonl"
    with Double() as double:
        clock = CpuClock(double.pid)
        command = product.run_command(product.manifest(folder, count), double.url, folder, key_type, "--json")
        children.run_to_end(command, events, clock.read)
    keyed = product.reached(events, "KEYED", count)
    used = clock.between(keyed[0], keyed[-cores()])
    if used is None:
        return keyed, []
    whole = used.at * cores()
    return keyed, [(used.workers / whole, used.coordinator / whole, used.double / whole)]


def _bare(key_type: KeyType, count: int) -> list[_Made]:
    """Make keys on every core with nothing around them."""
    context = multiprocessing.get_context("spawn")
    left, together = context.Value("i", count), context.Barrier(cores())
    results = context.Queue()
    makers = [
        context.Process(target=_make, args=(key_type, left, together, results), daemon=True)
        for _ in range(cores())
    ]
    for maker in makers:
        maker.start()
    made = [key for _ in makers for key in results.get(timeout=LONGEST_SECONDS)]
    for maker in makers:
        maker.join()
    return made


def _make(key_type: KeyType, left: Synchronized[int], together: Barrier, results: Queue[list[_Made]]) -> None:
    """Run in a process a core: make keys until none is left to be made."""
    bits = int(key_type.removeprefix("rsa-"))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "BenchThing0000001")])
    made = []
    together.wait()
    while True:
        with left.get_lock():
            if left.value == 0:
                break
            left.value -= 1
        begin = time.time()
        key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA512())
        made.append(_Made(time.time(), time.time() - begin))
    results.put(made)
