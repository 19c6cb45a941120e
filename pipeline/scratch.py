"""A scratch database for what may have no room in memory: SQLite's own temporary file, which has no name."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

from pipeline.errors import DiskError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["disk_errors", "open_scratch"]


def open_scratch(tables: str) -> sqlite3.Connection:
    """Return a new, empty database with these tables; it is gone when it is closed, or with this process.

    It may be handed from thread to thread, but is used by one at a time.

    Raises:
        DiskError: It cannot be made.
    """
    with disk_errors():
        # An empty name is SQLite's word for a temporary file that is deleted while it is open.
        connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        connection.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {tables}")
    return connection


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Say plainly that there is no room for a scratch database."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise DiskError(
            f"the scratch database cannot be written: {error}", advice="make room, or set TMPDIR to where there is"
        ) from error
