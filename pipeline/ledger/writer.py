"""One thread that writes the ledger, many changes to a commit.

A commit waits for the disk. While one is under way, the changes of other devices gather and go into the next
together, so the disk does not set the pace; and whoever asked for a change goes on only when it is durable.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline import failpoints
from pipeline.errors import DiskError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Writer"]

T = TypeVar("T")

_MOST_IN_A_COMMIT = 512


@dataclass(slots=True)
class _Change:
    apply: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


class Writer:
    """Applies changes in the order they came and tells each caller when its own is on disk.

    Args:
        connection: The ledger, which nobody else writes to.
        path: Its file, for messages.
        before: Called before each commit; a ``DiskError`` of its undoes the commit.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: Path, before: Callable[[], None] = lambda: None
    ) -> None:
        self._connection = connection
        self._path = path
        self._before = before
        self._loop = asyncio.get_running_loop()
        self._changes: queue.SimpleQueue[_Change | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="ledger")
        self._thread.start()
        self.commits = 0

    async def write(self, apply: Callable[[sqlite3.Connection], T]) -> T:
        """Apply a change inside the next commit, and return what it returned once that is durable.

        Raises:
            DiskError: The commit failed; none of its changes holds.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._changes.put(_Change(apply, future))
        return await future

    def close(self) -> None:
        """Commit what is waiting and end the thread. Called from another thread than the loop's."""
        self._changes.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (change := self._changes.get()) is not None:
            batch = [change]
            last = False
            while len(batch) < _MOST_IN_A_COMMIT and not last:
                try:
                    following = self._changes.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                else:
                    batch.append(following)
            self._commit(batch)
            self._loop.call_soon_threadsafe(_settle, batch)
            if last:
                return

    def _commit(self, batch: list[_Change]) -> None:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for change in batch:
                try:
                    change.result = change.apply(connection)
                except sqlite3.OperationalError:
                    raise
                except Exception as error:  # noqa: BLE001  one caller's mistake must not undo the others' changes
                    change.error = error
            self._before()
            failpoints.hit("ledger.commit")
            connection.execute("COMMIT")
            failpoints.hit("ledger.committed")
        except (sqlite3.Error, DiskError) as error:
            with contextlib.suppress(sqlite3.Error):  # this thread must live to tell whoever waits
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            problem = DiskError(
                f"the ledger {printable(str(self._path))} cannot be written: {printable(str(error))}",
                advice="make room or mend the disk, then run the same command again: it goes on from here",
            )
            for change in batch:
                change.error = problem
        self.commits += 1


def _settle(batch: list[_Change]) -> None:
    """Run on the loop: one wake-up for a whole commit."""
    for change in batch:
        if change.future.done():
            continue
        if change.error is not None:
            change.future.set_exception(change.error)
        else:
            change.future.set_result(change.result)
