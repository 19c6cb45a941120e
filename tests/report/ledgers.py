"""Ledgers for the tests of what is read from one, made by the real ``Ledger`` in the real order."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import anyio

from pipeline.device import Certificate, Device, State
from pipeline.ledger import Ledger, Sample, finished_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
    from pathlib import Path

    from pipeline.errors import DeviceError
    from pipeline.layout import RunFolder
    from pipeline.ledger import Reader
    from pipeline.meter import Reading
    from pipeline.report import Usage

ARN = "arn:aws:iot:eu-central-1:123456789012:cert/"


@dataclass(frozen=True)
class Fate:
    """What became of a device: the state that is durable, and why it went no further."""

    device: Device
    state: State = State.DONE
    failed: DeviceError | None = None
    skipped: DeviceError | None = None
    revoked: bool = False


def device(name: str, line: int = 1) -> Device:
    """A device with a name and nothing else."""
    return Device(name, line, common_name=name)


@dataclass(frozen=True)
class Worked:
    """What a process of the run did: None of it is there of one that was killed at once."""

    usage: Usage
    samples: Sequence[tuple[float, Reading]] = ()
    killed: bool = False


def ledger_of(
    folder: RunFolder,
    fates: Sequence[Fate],
    meta: Mapping[str, str] | None = None,
    processes: Sequence[Worked] = (),
) -> Reader:
    """Make the ledger of a run in which each device met its fate, and return its reader."""
    folder.root.mkdir(parents=True, exist_ok=True)
    roster = folder.root / "roster.db"
    _write_roster(roster, [fate.device for fate in fates])
    anyio.run(_play, folder, roster, fates, meta or {}, processes)
    roster.unlink()
    reader = finished_ledger(folder.ledger)
    assert reader is not None
    return reader


def _write_roster(path: Path, devices: Sequence[Device]) -> None:
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE roster (seq INTEGER PRIMARY KEY, thing_name TEXT, folded TEXT UNIQUE, spki TEXT, "
        "line INTEGER, description TEXT)"
    )
    rows = [(each.thing_name, each.thing_name.casefold(), each.line, each.to_json()) for each in devices]
    connection.executemany("INSERT INTO roster (thing_name, folded, line, description) VALUES (?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()


async def _play(
    folder: RunFolder,
    roster: Path,
    fates: Sequence[Fate],
    meta: Mapping[str, str],
    processes: Sequence[Worked],
) -> None:
    async with Ledger(folder.ledger) as ledger:
        await ledger.enrol(roster)
        await ledger.remember(meta)
        for worked in processes:
            await _work(ledger, worked)
        by_name = {fate.device.thing_name: fate for fate in fates}
        for entry in list(ledger.read.entries()):
            fate = by_name[entry.device.thing_name]
            for step in _steps(ledger, entry.seq, entry.device.thing_name, fate.state):
                await step
            if fate.failed:
                await ledger.failed(entry.seq, fate.failed)
            if fate.skipped:
                await ledger.skipped(entry.seq, fate.skipped)
            if fate.revoked:
                await ledger.revoked(entry.seq)


def _steps(ledger: Ledger, seq: int, name: str, until: State) -> Iterator[Coroutine[None, None, None]]:
    digest = hashlib.sha256(name.encode()).hexdigest()
    steps: dict[State, Callable[[], Coroutine[None, None, None]]] = {
        State.PLANNED: lambda: ledger.planned(seq, created=True),
        State.KEYED: lambda: ledger.keyed(seq, digest[::-1]),
        State.REQUESTED: lambda: ledger.requested(seq),
        State.ISSUED: lambda: ledger.issued(
            seq, Certificate(digest, ARN + digest, "-----BEGIN CERTIFICATE-----\n", "2049-12-31T23:59:59Z")
        ),
        State.BUNDLED: lambda: ledger.bundled(seq, {}),
        State.LINKED: lambda: ledger.linked(seq),
        State.DONE: lambda: ledger.done(seq),
    }
    return (step() for state, step in steps.items() if state <= until)


async def _work(ledger: Ledger, worked: Worked) -> None:
    usage = worked.usage
    assert usage.started is not None
    number = await ledger.processes.begin(usage.started, json.dumps(asdict(usage.about)))
    for second, reading in worked.samples:
        await ledger.processes.note(number, Sample(second, json.dumps(asdict(reading))))
    if not worked.killed:
        await ledger.processes.end(number, usage.to_json())
