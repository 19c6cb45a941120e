"""The scratch database of a roster: its tables, and what is asked of them."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.errors import DiskError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["COPIED", "FIND", "INSERT", "KEY_TYPES", "PRAGMAS", "SCHEMA", "TOTALS", "disk_errors"]

SCHEMA = """
CREATE TABLE roster (
    seq INTEGER PRIMARY KEY,
    thing_name TEXT NOT NULL,
    folded TEXT UNIQUE,
    spki TEXT,
    line INTEGER NOT NULL,
    description TEXT NOT NULL,
    target INTEGER NOT NULL
);
CREATE UNIQUE INDEX roster_spki ON roster (spki) WHERE spki IS NOT NULL;
CREATE TABLE names (
    kind TEXT, name TEXT, target INTEGER, file TEXT, line INTEGER, column INTEGER,
    PRIMARY KEY (kind, name, target)
) WITHOUT ROWID;
"""
# A scratch file needs no crash safety; 4 MiB of pages keep memory flat.
PRAGMAS = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -4096;
PRAGMA temp_store = MEMORY;
"""
INSERT = (
    "INSERT OR IGNORE INTO roster (seq, thing_name, folded, spki, line, description, target) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
TOTALS = """
SELECT count(*), count(json_extract(description, '$.csr')), count(json_extract(description, '$.policy')),
       coalesce(sum(json_array_length(description, '$.groups')), 0)
FROM roster
"""
FIND = """
SELECT thing_name, line, CASE description WHEN '' THEN 1 ELSE json_extract(description, '$.csr') IS NOT NULL END
FROM roster WHERE folded = ?
"""
KEY_TYPES = """
SELECT json_extract(description, '$.key_type') AS key_type, count(*)
FROM roster WHERE key_type IS NOT NULL GROUP BY key_type
"""
COPIED = (
    "INSERT INTO share.roster SELECT * FROM main.roster WHERE target = ?",
    "INSERT INTO share.names SELECT * FROM main.names WHERE target = ?",
)
"""What a share of the database gets: the rows of one target."""


@contextmanager
def disk_errors() -> Iterator[None]:
    """Raise what the file system or SQLite refuses as an error that says what to do.

    Raises:
        DiskError: It refused.
    """
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        raise DiskError(
            f"the scratch database of the manifest cannot be written: {printable(str(error))}",
            advice="free space where temporary files go, or set TMPDIR to a folder that has some",
        ) from error
