"""Four stations as processes, each believing all of an account's quota to be its own: how they share it.

The double throttles them together. What it saw is looked at by the same functions that look at the simulation.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import children, product
from benchmarks.children import FailedError
from benchmarks.double import Double, limit
from benchmarks.harness import Table, cores, verdict
from benchmarks.plan import LOOPBACK
from benchmarks.simulation.figures import Sharing, figures
from benchmarks.simulation.scenes import Scene
from benchmarks.simulation.server import Answer
from pipeline.aws.quotas import DEFAULTS

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.simulation.figures import Figures
    from tests.support.awsiot import AwsIotDouble

__all__ = ["measure"]

API = "CreateCertificateFromCsr"
QUOTA = 60.0
STATIONS = 4
OTHERS = ("DescribeThing", "CreateThing", "AttachThingPrincipal")
"""What is called besides, as fast as AWS lets an account at first: without a limit, stations that begin would want
all cores, and calls that are paid would wait for one."""
USED, LEAST, THROTTLED = 0.95, 0.5, 0.02
"""The targets: of the quota, of a fair share, of all calls."""


class _Seen(NamedTuple):
    """What the double saw.

    Attributes:
        answers: Each call for a certificate, with the number of its station.
        most: Certificates that a device has at the most.
        certificates: How many there are.
    """

    answers: list[Answer]
    most: int
    certificates: int


def measure(*, quick: bool) -> Table:
    """Run one station alone, and then four at once, against buckets of two sizes."""
    table = Table(
        f"Stations: {STATIONS} processes share {QUOTA:g} {API} a second, each believing them to be its own",
        (
            *("stations", "bucket, calls", "used", "shares", "throttled", "certificates a device"),
            f"≥ {USED}, ≥ {LEAST}, < {THROTTLED:.0%}",
            "simulation: used, least share, throttled",
        ),
    )
    seconds = 6 if quick else 120
    with children.workplace() as folder:
        for number, (stations, burst) in enumerate(((1, 0.1), (STATIONS, 0.1), (STATIONS, 1.0))):
            _add(table, folder / str(number), Scene(stations, QUOTA, burst), seconds)
    table.note(
        f"each is a `thingmill run` of its own with devices of its own, ec-p256, and `--quota {API}={QUOTA:g}`; "
        f"double and stations share {cores()} cores"
    )
    table.note(
        "used, throttled, and the share of each station (1 is fair): from the moment when all are at work to the "
        "one when the first has nothing more to ask for; what they throw at the account when they meet is in it"
    )
    table.note(
        "the simulation is of the first minute, with a seed, where calls take 3 ms as to the double; the stations "
        "here begin within a second of each other, those in the simulation at the same instant"
    )
    return table


def _add(table: Table, folder: Path, scene: Scene, seconds: int) -> None:
    folder.mkdir()
    devices = round(QUOTA * seconds / scene.stations)
    with Double() as double:
        double.ask(limit, API, QUOTA, scene.bucket)
        with ExitStack() as running:
            runs = [
                running.enter_context(children.Child(_command(folder, station, devices, double.url)))
                for station in range(scene.stations)
            ]
            for run in runs:
                run.finish()
        seen = double.ask(_seen)
    if seen.certificates != devices * scene.stations:
        raise FailedError(f"{seen.certificates} certificates for {devices * scene.stations} devices")
    found = _together(seen.answers, scene)
    expected = _simulated(scene)
    reached = found.used >= USED and found.least >= LEAST and found.throttled < THROTTLED and seen.most == 1
    table.rows.append(
        (
            str(scene.stations),
            f"{scene.bucket:g}",
            f"{found.used:.3f}",
            ", ".join(f"{share:.2f}" for share in sorted(found.shares)),
            f"{100 * found.throttled:.2f} %",
            str(seen.most),
            verdict(reached, "all"),
            f"{expected.used:.3f}, {expected.least:.2f}, {100 * expected.throttled:.2f} %",
        )
    )


def _command(folder: Path, station: int, devices: int, url: str) -> list[str]:
    place = folder / f"station-{station}"
    place.mkdir()
    rows = place / "rows.txt"
    rows.write_text("".join(f"{station}-{number:06}\n" for number in range(devices)), encoding="ascii")
    command = product.run_command(rows, url, place, "ec-p256", "--quiet", certificates=QUOTA)
    # Of two quotas of one operation, the later holds.
    return command + [word for api in OTHERS for word in ("--quota", f"{api}={DEFAULTS[api][0]:g}")]


def _seen(double: AwsIotDouble) -> _Seen:
    answers = [
        Answer(call.started, int(call.subject.partition("-")[0]), API, call.outcome == "ok")
        for call in double.journal.find(API)
    ]
    found = double.account.certificates_by_common_name()
    return _Seen(answers, max(map(len, found.values())), sum(map(len, found.values())))


def _together(answers: list[Answer], scene: Scene) -> Figures:
    """Return how stations got on while all of them wanted certificates."""
    times = [[each.at for each in answers if each.station == station] for station in range(scene.stations)]
    begin, end = max(map(min, times)), min(map(max, times))
    return figures(answers, Sharing(QUOTA, tuple(range(scene.stations))), begin, end)


def _simulated(scene: Scene) -> Figures:
    return scene.account(1, LOOPBACK).figures(0.0, 60.0)
