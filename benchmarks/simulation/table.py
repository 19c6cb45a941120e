"""``python -m benchmarks simulation``: how fairly, how fully and at what cost stations share a quota."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.harness import Table, spread, verdict
from benchmarks.simulation.reference import StraightLine
from benchmarks.simulation.scenes import Scene, newcomer, the_one_left
from benchmarks.simulation.server import Latency

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.simulation.figures import Figures

__all__ = ["measure"]

USED, LEAST, THROTTLED = 0.95, 0.5, 0.02
"""The targets: of the quota, of a fair share, of all calls."""

SCENES = (
    Scene(1, 60, 0.1),
    Scene(2, 60, 0.1),
    Scene(4, 60, 0.1),
    Scene(4, 60, 1.0),
    Scene(4, 60, 5.0),
    Scene(8, 60, 1.0),
    Scene(2, 15, 1.0),
    Scene(4, 15, 1.0),
    Scene(8, 15, 1.0),
    Scene(2, 5, 1.0),
    Scene(4, 350, 0.1),
    Scene(8, 350, 1.0),
    Scene(1, 5, 1.0, believed=60),
    Scene(1, 15, 1.0, believed=350),
    Scene(4, 60, 0.03),
    Scene(4, 60, 0.0),
)


def measure(*, quick: bool) -> Table:
    """Simulate each case with several seeds, for thingmill's rates and for the textbook's."""
    table = Table(
        "Simulation: stations that share an account's quota, each believing all of it to be its own",
        (
            "stations",
            "quota, calls/s",
            "bucket, calls",
            "used",
            "least share",
            "throttled, first minute",
            "throttled, settled",
            f"≥ {USED}, ≥ {LEAST}, < {THROTTLED:.0%}",
            "AIMD: used",
            "least share",
            "throttled",
        ),
    )
    seeds = range(1 if quick else 5)
    for scene in SCENES[:4] if quick else SCENES:
        _add(table, scene, seeds)
    _note(table, range(2 if quick else 20))
    return table


def _add(table: Table, scene: Scene, seeds: range) -> None:
    accounts = [scene.account(seed) for seed in seeds]
    settled = [scene.settled(account) for account in accounts]
    first = [account.figures(0.0, 60.0) for account in accounts]
    aimd = [scene.settled(scene.account(seed, pace=StraightLine)) for seed in seeds]
    used, least, throttled = _of(settled)
    reached = used >= USED and least >= LEAST and throttled < THROTTLED
    believed = f", taken for {scene.believed:g}" if scene.believed else ""
    others = _of(aimd)
    table.rows.append(
        (
            str(scene.stations),
            f"{scene.quota:g}{believed}",
            f"{scene.bucket:g}",
            f"{used:.3f}",
            f"{least:.2f}",
            f"{100 * _of(first)[2]:.1f} %",
            f"{100 * throttled:.1f} %",
            verdict(reached, "all"),
            f"{others[0]:.3f}",
            f"{others[1]:.2f}",
            f"{100 * others[2]:.1f} %",
        )
    )


def _of(found: Sequence[Figures]) -> tuple[float, float, float]:
    """Return the mean use, the least share of all, and the mean throttled part."""
    used = sum(each.used for each in found) / len(found)
    throttled = sum(each.throttled for each in found) / len(found)
    return used, min(each.least for each in found), throttled


def _note(table: Table, seeds: range) -> None:
    table.note(
        "each from its seeds, in virtual time: calls take 80 ms (log-normal, 0.3), stations begin at the same "
        "instant; settled: without the first third of 90 s (of 5000 calls, where that is longer); used and "
        "throttled are means, the least share is the least of any station with any seed, 1 is fair"
    )
    table.note(
        "AIMD: the textbook's straight line, which takes a fifth off at a throttle and climbs back in 15 s, with "
        "the same seeds, settled"
    )
    table.note(
        "a bucket that holds less than a call for each station throttles calls that come at the same instant, at "
        "any rate: to stay below 2 % stations would have to know each other's instants, and the more they try the "
        "less they use; nothing says that AWS has such a bucket"
    )
    came = _seconds(lambda seed: newcomer(4, 60.0, 0.1, seed), seeds)
    left = [_seconds(partial(the_one_left, 4, quota, 1.0), seeds) for quota in (60.0, 15.0)]
    table.note(
        f"a fifth station comes to four at 60/s: each has half of its fair share after {came}; three of four "
        f"end: the one left has 0.95 of 60/s after {left[0]}, of 15/s after {left[1]}"
    )
    table.note(
        f"stations that begin at the same instant do not stay in step: of the seconds with throttles, "
        f"{_in_step(seeds[:5], None):.0%} throttled more than one of four stations at 60/s, and "
        f"{_in_step(seeds[:1], Latency(0.08, 0.0)):.0%} where every call takes exactly as long as every other"
    )


def _seconds(once: Callable[[int], float | None], seeds: range) -> str:
    taken = [once(seed) for seed in seeds]
    return spread([100.0 if each is None else each for each in taken], 1, " s")


def _in_step(seeds: range, latency: Latency | None) -> float:
    """Return the part of the seconds with throttles in which several stations were throttled."""
    several = some = 0
    scene = Scene(4, 60, 0.1)
    for seed in seeds:
        hit: dict[int, set[int]] = {}
        for answer in scene.account(seed, latency).server.answers:
            if answer.at >= scene.seconds / 3 and not answer.admitted:
                hit.setdefault(int(answer.at), set()).add(answer.station)
        some += len(hit)
        several += sum(len(stations) > 1 for stations in hit.values())
    return several / max(some, 1)
