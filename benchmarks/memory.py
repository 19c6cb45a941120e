"""Memory, and time to the first device, as manifests grow from a thousand rows to a million.

A run is stopped by SIGINT when 200 of its devices are done, since what is asked is whether the rest of the
manifest costs anything. A finished run is made by entering the manifest into a ledger and saying that all is done.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import anyio

from benchmarks import children, product
from benchmarks.children import PYTHON, Child, FailedError
from benchmarks.double import Double, total
from benchmarks.harness import ROOT, Table, median, spread, verdict
from benchmarks.processes import is_known, tree_peak_mib
from pipeline.binding import binding
from pipeline.device import State
from pipeline.ledger import Ledger
from pipeline.manifest import load
from pipeline.settings import Defaults, KeyType, Settings

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["measure"]

ENOUGH = 200
"""Devices that are done when a run is stopped."""
GROWTH = 1.3
FINISHED_SECONDS = 60.0

_INTERRUPTED = 130


class _Round(NamedTuple):
    """What one round of one size took: seconds and MiB."""

    check: float
    check_peak: float
    first: float
    run_peak: float
    tree_peak: float
    finished: float
    finished_peak: float


def measure(*, quick: bool) -> Table:
    """Measure a few sizes by turns; the largest once, for it takes minutes."""
    table = Table(
        "Memory: peaks in MiB, and seconds, by rows of the manifest",
        (
            "rows",
            "check, s",
            "check, MiB",
            "run: first device done, s",
            "run, MiB",
            "run with its workers, MiB",
            "finished run, s",
            "finished run, MiB",
        ),
    )
    sizes = (1_000, 10_000) if quick else (1_000, 10_000, 100_000, 1_000_000)
    rounds = 1 if quick else 3
    found: dict[int, list[_Round]] = {rows: [] for rows in sizes}
    with children.workplace() as folder:
        for turn in range(rounds):
            for rows in sizes if turn == 0 else sizes[:-1]:
                place = folder / f"{rows}-{turn}"
                place.mkdir()
                found[rows].append(_round(place, rows))
    for rows, several in found.items():
        columns = list(zip(*several, strict=True))
        digits = (1, 1, 1, 1, 0, 1, 1)
        table.rows.append(
            (f"{rows:,}", *(spread(column, places) for column, places in zip(columns, digits, strict=True)))
        )
    _judge(table, found)
    table.note(
        f"{rounds} rounds, the largest size once; median (least to most); a peak is the largest resident memory "
        "(ru_maxrss) of the one process that is named; with workers: the sum over all processes when the run is "
        "stopped, pages that they share counted in each" + ("" if is_known() else " (not known on this system)")
    )
    table.note(
        f"run: ec-p256, quotas 5000, stopped by SIGINT when {ENOUGH} devices are done; reports are written then"
    )
    return table


def _judge(table: Table, found: dict[int, list[_Round]]) -> None:
    least, most = min(found), max(found)

    def growth(column: int) -> float:
        return median([one[column] for one in found[most]]) / median([one[column] for one in found[least]])

    for name, column in (("check", 1), ("run", 3), ("finished run", 6)):
        grown = growth(column)
        table.note(
            f"{name}: {most:,} rows take {grown:.2f} times the memory of {least:,}; "
            f"target {verdict(grown <= GROWTH, f'≤ {GROWTH}')}"
        )
    finished = median([one.finished for one in found[most]])
    table.note(
        f"a finished run of {most:,} is known to be finished after {finished:.1f} s, of which reading the "
        f"manifest is about {median([one.check for one in found[most]]):.1f} s; "
        f"target {verdict(finished <= FINISHED_SECONDS, f'within seconds (≤ {FINISHED_SECONDS:.0f} s)')}"
    )


def _round(folder: Path, rows: int) -> _Round:
    manifest = product.manifest(folder, rows)
    check, check_peak = _launch(folder, product.check_command(manifest))
    with Double() as double:
        first, run_peak, tree_peak = _stopped_run(folder, manifest, double.url)
    with Double() as double:
        output = folder / "finished"
        _fabricate(output / manifest.stem, manifest)
        finished, finished_peak = _launch(
            folder, product.run_command(manifest, double.url, output, "ec-p256", "--quiet")
        )
        if double.ask(total):
            raise FailedError("a finished run made calls")
    return _Round(check, check_peak, first, run_peak, tree_peak, finished, finished_peak)


def _launched(folder: Path, command: list[str]) -> list[str]:
    """Return a command under the launcher, which measures it."""
    return [PYTHON, "-I", "-S", str(ROOT / "benchmarks" / "launcher.py"), str(folder / "report.json"), *command]


def _report(folder: Path) -> dict[str, float]:
    report: dict[str, float] = json.loads((folder / "report.json").read_text(encoding="ascii"))
    return report


def _launch(folder: Path, command: list[str]) -> tuple[float, float]:
    """Run a command to its end; return its seconds and its peak."""
    children.run_to_end(_launched(folder, command))
    report = _report(folder)
    return report["seconds"], report["peak_mib"]


def _stopped_run(folder: Path, manifest: Path, url: str) -> tuple[float, float, float]:
    """Return the seconds until the first device was done, the run's peak, and the sum with its workers."""
    events = folder / "events.jsonl"
    begin = time.time()
    with Child(
        _launched(folder, product.run_command(manifest, url, folder, "ec-p256", "--json")), events
    ) as child:
        with events.open("rb") as growing:
            done = 0
            while done < ENOUGH and child.is_running(0.1):
                # A line that is not whole yet may be missed, which stops the run one device later.
                done += growing.read().count(b'"DONE"')
        together = tree_peak_mib(int(_report(folder)["pid"])) if is_known() else float("nan")
        child.interrupt()
        child.finish(_INTERRUPTED)
    return product.reached(events, "DONE")[0] - begin, _report(folder)["peak_mib"], together


def _fabricate(folder: Path, manifest: Path) -> None:
    """Make the folder of a run that is finished, as far as its ledger tells."""
    settings = Settings(manifest=str(manifest), run_folder=folder, key_type=KeyType.EC_P256)
    folder.mkdir(parents=True)

    async def enrol() -> None:
        with load(str(manifest), Defaults()) as roster:
            async with Ledger(folder / "ledger.db") as ledger:
                await ledger.bind(binding(settings))
                await ledger.enrol(roster.path)

    anyio.run(enrol)
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        connection.execute("UPDATE devices SET state = ?", (int(State.DONE),))
        connection.commit()
