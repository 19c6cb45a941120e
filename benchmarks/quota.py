"""CreateCertificateFromCsr: what a run achieves of its quota, and whether it ever asks for more.

The double throttles with a token bucket. How large AWS's is, is not published; a tenth of a second's calls, and
one at least, is little: a client that wakes up late has no more than that to catch up with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import children, product
from benchmarks.double import Double, arrivals, limit
from benchmarks.harness import Table, median, spread, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.double import Arrival

__all__ = ["measure"]

API = "CreateCertificateFromCsr"
STEADY_SECONDS = 20.0
"""How long the middle nine tenths of a run's calls take."""


def measure(*, quick: bool) -> Table:
    """Measure three quotas, a few rounds of each by turns."""
    table = Table(
        f"Quota: {API}, achieved against granted",
        (
            "granted, calls/s",
            "achieved, calls/s",
            "of the grant",
            "throttled",
            "most in one second",
            "≥ 0.99",
            "< 0.5 %",
            "≤ grant + burst",
        ),
    )
    rates = (15, 50, 150)
    steady = 2.0 if quick else STEADY_SECONDS
    rounds = 1 if quick else 2
    with children.workplace() as folder:
        runs = [
            (rate, _calls(folder / f"{turn}-{rate}", rate, steady)) for turn in range(rounds) for rate in rates
        ]
    for rate in rates:
        _add(table, rate, [calls for asked, calls in runs if asked == rate])
    table.note(
        f"ec-p256, quotas of all other operations ample, {rounds} rounds; the double throttles with a bucket of "
        "the grant and a burst of a tenth of it, one at least"
    )
    table.note(
        f"achieved: calls that were not throttled, between the first and the last 5 % of all (≥ {steady:.0f} s); "
        "throttled, and the most in any second (a window that slides): of all calls of all rounds"
    )
    return table


def _calls(folder: Path, rate: int, steady: float) -> list[Arrival]:
    """Return the calls of one run."""
    folder.mkdir()
    devices = round(rate * steady / 0.9) + 1
    with Double() as double:
        double.ask(limit, API, float(rate), _burst(rate))
        rows = product.manifest(folder, devices)
        command = product.run_command(rows, double.url, folder, "ec-p256", "--quiet", certificates=rate)
        children.run_to_end(command)
        return double.ask(arrivals, API)


def _burst(rate: int) -> float:
    return max(1.0, 0.1 * rate)


def _add(table: Table, rate: int, runs: list[list[Arrival]]) -> None:
    achieved = [_achieved(calls) for calls in runs]
    of_grant = median(achieved) / rate
    calls = [call for run in runs for call in run]
    throttled = sum(call.outcome != "ok" for call in calls) / len(calls)
    most = max(_most_in_a_second([call.started for call in run]) for run in runs)
    table.rows.append(
        (
            str(rate),
            spread(achieved, 2),
            f"{of_grant:.4f}",
            f"{100 * throttled:.2f} %",
            str(most),
            verdict(of_grant >= 0.99, "≥ 0.99"),
            verdict(throttled < 0.005, "< 0.5 %"),
            verdict(most <= rate + _burst(rate), f"≤ {rate + _burst(rate):g}"),
        )
    )


def _achieved(calls: Sequence[Arrival]) -> float:
    """Return the calls per second that were admitted between the first and the last 5 % of all."""
    edge = len(calls) // 20
    middle = calls[edge : len(calls) - edge]
    admitted = sum(call.outcome == "ok" for call in middle[1:])
    return admitted / (middle[-1].started - middle[0].started)


def _most_in_a_second(times: Sequence[float]) -> int:
    """Return the most calls in any second, wherever it begins."""
    most = first = 0
    for last, time in enumerate(times):
        while times[first] <= time - 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most
