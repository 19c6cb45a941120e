"""Writes the tables of docs/scale.md: what so many devices take, by arithmetic and by the simulation.

::

    .venv/bin/python docs/make_scale.py

The figures that they start from are named here, each with where it is from. A test works the tables out again and
compares.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.simulation.runs import Machine, Run
from pipeline.cores import SINGLY_SECONDS
from pipeline.plan import as_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGE = Path(__file__).resolve().parent / "scale.md"

CALLS = 5
"""DescribeThing, CreateThing, CreateCertificateFromCsr, AttachThingPrincipal and AttachPolicy."""

REGISTRY_CALLS = 3
"""Those of them that AWS charges for: DescribeThing, CreateThing, AttachThingPrincipal (AWS IoT Core pricing)."""

REGISTRY_DOLLARS = 1.25e-6
"""What AWS charges for one, in US East (AWS IoT Core pricing)."""

CORE_HOUR_DOLLARS = 0.045
"""What a virtual core of a machine for computing costs an hour, on demand (Amazon EC2 pricing, c7i, US East)."""

RSA_4096_SECONDS = 0.5
"""What a core takes for a key (docs/keys.md)."""

DISK_BYTES, INODES = 31 * 1024, 6
"""Of a device: its bundle on ext4, its row in the ledger and in the reports (docs/tuning.md)."""

EC_SECONDS = 1e-4
"""What a core takes for a key of P-256 (docs/keys.md)."""

DEFAULT, RAISED = 15, 100
"""Certificates a second: what an account begins with, and what one core coordinates with room to spare."""

SIZES = tuple(10**power for power in range(4, 9))
CORES = (2, 4, 8, 16, 64)
RSA_RATES, EC_RATES = (15, 50, 100), (15, 100, 150)
LENGTH = 512
"""Devices of the shorter of two simulated runs: both have all lanes in work, and differ in what comes between."""


def sizes() -> str:
    """Return what so many devices take."""
    rows = [
        (
            f"{devices:,}",
            f"{devices * CALLS:,}",
            _long(devices / DEFAULT),
            _long(devices / RAISED),
            _long(devices / RAISED / 10),
            f"{_rounded(devices * RSA_4096_SECONDS / 3600)} h",
            f"{_rounded(devices * RSA_4096_SECONDS / 3600 * CORE_HOUR_DOLLARS)} $",
            f"{_rounded(devices * REGISTRY_CALLS * REGISTRY_DOLLARS)} $",
            _bytes(devices * DISK_BYTES),
            f"{devices * INODES:,}",
        )
        for devices in SIZES
    ]
    head = (
        *("devices", "calls", f"at {DEFAULT}/s", f"at {RAISED}/s", f"ten accounts at {RAISED}/s"),
        *("cores, RSA-4096", "what cores cost", "AWS registry calls", "disk", "inodes"),
    )
    return _table(head, rows)


def rates() -> str:
    """Return how many devices a second come out of so many cores, by quota, with RSA-4096 and with P-256 keys."""
    rows = [
        (
            f"{cores}",
            *(f"{_rate(rate, Machine(cores, RSA_4096_SECONDS + SINGLY_SECONDS)):.0f}" for rate in RSA_RATES),
            *(f"{_rate(rate, Machine(cores, EC_SECONDS)):.0f}" for rate in EC_RATES),
        )
        for cores in CORES
    ]
    head = ("cores", *(f"RSA-4096, {rate}/s" for rate in RSA_RATES), *(f"P-256, {rate}/s" for rate in EC_RATES))
    return _table(head, rows)


TABLES: dict[str, Callable[[], str]] = {"sizes": sizes, "rates": rates}


def tables(page: str) -> str:
    """Return the page with the tables of now."""
    for name, make in TABLES.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        old = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        page = old.sub(f"{begin}\n{make()}{end}", page)
    return page


def _rate(quota: int, machine: Machine) -> float:
    """Return the devices a second of a run in its steady part."""
    quotas = {"CreateCertificateFromCsr": float(quota), "AttachPolicy": float(quota)}
    long, short = (Run(devices, quotas, with_policy=True).seconds(machine) for devices in (2 * LENGTH, LENGTH))
    return min(LENGTH / (long - short), quota)


def _long(seconds: float) -> str:
    return as_time(seconds) if seconds < 48 * 3600 else f"{seconds / 86400:,.1f} days"


def _rounded(number: float) -> str:
    """Return a number with two digits that count."""
    digits = max(0, 1 - math.floor(math.log10(number)))
    return f"{round(number, digits):,.{digits}f}"


def _bytes(number: float) -> str:
    for unit in ("MiB", "GiB"):
        number /= 1024 if unit == "GiB" else 1024**2
        if number < 1024:
            return f"{number:,.0f} {unit}"
    return f"{number / 1024:,.1f} TiB"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ("---:",) * len(head), *rows))


def main() -> None:
    """Write the page."""
    PAGE.write_text(tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
