"""How the processes of a run got on: what a report tells of its pace that no device's row tells.

A process that works on a run has a row, and notes how far it is now and then. Nothing of a device's way depends on
these rows. What stands in them is text of whoever writes them (``pipeline.history``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from datetime import datetime

    from pipeline.ledger.writer import Writer

__all__ = ["Process", "Processes", "Sample"]


@dataclass(frozen=True, slots=True)
class Process:
    """One process of ``thingmill run`` that worked on a run.

    Attributes:
        number: Which it was, from 1.
        started: When it began, ISO 8601.
        about: What it was told, as JSON.
        usage: What it did, as JSON, or None where it was killed before it could tell, or is at work.
    """

    number: int
    started: str
    about: str
    usage: str | None


@dataclass(frozen=True, slots=True)
class Sample:
    """How far a process was at one instant.

    Attributes:
        second: Seconds since it began to work.
        reading: What it had done, as JSON.
    """

    second: float
    reading: str


class Processes:
    """Writes these rows. Every method returns when its change is durable.

    Args:
        writer: Writes the ledger.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def begin(self, started: datetime, about: str) -> int:
        """Enter a process and return its number."""

        def apply(connection: sqlite3.Connection) -> int:
            insert = "INSERT INTO processes (started, about) VALUES (?, ?)"
            return int(connection.execute(insert, (started.isoformat(), about)).lastrowid or 0)

        return await self._writer.write(apply)

    async def note(self, number: int, sample: Sample) -> None:
        """Note how far a process is."""
        row = (number, sample.second, sample.reading)
        await self._writer.write(
            lambda connection: connection.execute("INSERT OR REPLACE INTO samples VALUES (?, ?, ?)", row)
        )

    async def end(self, number: int, usage: str) -> None:
        """Note what a process did in all."""
        await self._writer.write(
            lambda connection: connection.execute(
                "UPDATE processes SET usage = ? WHERE process = ?", (usage, number)
            )
        )
