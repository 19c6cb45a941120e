"""The tables of a ledger, and how its file is opened.

``synchronous=FULL`` makes each commit wait for the disk: in WAL mode anything less may lose committed rows at a
power cut (SQLite, "PRAGMA synchronous"). No private key is ever in here, nor anything from which one could
be computed.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
from typing import TYPE_CHECKING

from pipeline import files, privacy
from pipeline.errors import DiskError, RunFolderError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["FORMAT", "connect", "connect_finished", "connect_live", "readable"]

FORMAT = 4
"""The number of this layout, kept as SQLite's ``user_version``."""

_STEPS_AT_ONCE = 1_000_000
"""After so many steps of its virtual machine, some ten milliseconds, SQLite asks whether to go on."""

_STEPS_AT_LEAST, _STEPS_A_BYTE = 50_000_000, 200
"""Steps that reading a ledger may take in all: half a second of them, and so many for each byte. All that is done
with one takes fewer than ten."""

_COMPANIONS = ("-wal", "-shm", "-journal")
"""How the names go on of the files that SQLite keeps beside a database (SQLite, "Temporary Files")."""

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS devices (
    seq INTEGER PRIMARY KEY,
    thing_name TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE,
    line INTEGER NOT NULL,
    description TEXT NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    thing_created INTEGER NOT NULL DEFAULT 0,
    spki_sha256 TEXT,
    requested_at REAL,
    certificate_id TEXT UNIQUE,
    certificate_arn TEXT,
    certificate_pem TEXT,
    not_after TEXT,
    files TEXT,
    old_certificates TEXT,
    retired_at TEXT,
    revoking INTEGER NOT NULL DEFAULT 0,
    outcome TEXT CHECK (outcome IN ('failed', 'skipped', 'revoked')),
    failed_step INTEGER,
    error_code TEXT,
    error_message TEXT,
    error_advice TEXT,
    updated_at TEXT,
    origin INTEGER REFERENCES origins (origin)
) STRICT;
CREATE INDEX IF NOT EXISTS unfinished ON devices (seq) WHERE state < 8;
CREATE INDEX IF NOT EXISTS standing ON devices (outcome, state, error_code, updated_at);
CREATE INDEX IF NOT EXISTS revoking ON devices (seq) WHERE revoking = 1;
CREATE INDEX IF NOT EXISTS by_key ON devices (spki_sha256) WHERE state = 3;

CREATE TABLE IF NOT EXISTS origins (
    origin INTEGER PRIMARY KEY,
    run TEXT NOT NULL,
    folder TEXT NOT NULL,
    sharded INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS rejected (
    certificate_id TEXT NOT NULL,
    seq INTEGER NOT NULL REFERENCES devices (seq),
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    certificate_pem TEXT NOT NULL,
    removed INTEGER NOT NULL DEFAULT 0,
    at TEXT NOT NULL,
    PRIMARY KEY (certificate_id, seq)
) STRICT;

CREATE TABLE IF NOT EXISTS processes (
    process INTEGER PRIMARY KEY,
    started TEXT NOT NULL,
    about TEXT NOT NULL,
    usage TEXT
) STRICT;

CREATE TABLE IF NOT EXISTS samples (
    process INTEGER NOT NULL REFERENCES processes (process),
    second REAL NOT NULL,
    reading TEXT NOT NULL,
    PRIMARY KEY (process, second)
) STRICT, WITHOUT ROWID;
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open a ledger for writing, making it where there is none.

    The connection may be handed from thread to thread but is used by one at a time. It is in autocommit mode:
    transactions are begun and ended by name.

    Raises:
        sqlite3.Error: The file is no ledger of this format, or the disk refused.
        DiskError: It, or a file that SQLite keeps beside it, is a link or no regular file.
    """
    _see_files(path)
    with files.named(path, "make"), contextlib.suppress(FileExistsError):
        # Closed to others from its first instant, and through no link; SQLite would follow one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    path.chmod(0o600)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # macOS alone knows the difference
    # A deleted certificate's text need not linger in free pages of a file that people copy around.
    connection.execute("PRAGMA secure_delete = FAST")
    if _format_of(connection) == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {FORMAT}; COMMIT;")
    _see_shape(connection)
    return connection


def connect_finished(path: Path) -> sqlite3.Connection | None:
    """Open a ledger that was closed cleanly, to read it without changing one byte on disk.

    Returns:
        A connection, or None where there is no ledger or where it was not closed cleanly: what it says may then
        still be in its write-ahead log.

    Raises:
        DiskError: It, or a file that SQLite keeps beside it, is a link or no regular file.
    """
    _see_files(path)
    log = path.with_name(path.name + "-wal")
    if not path.exists() or (log.exists() and log.stat().st_size > 0):
        return None
    # Immutable: neither locks nor a shared-memory file are made. Nobody writes to a ledger without a log.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    _bound(connection, path)
    _see_shape(connection)
    return connection


def connect_live(path: Path) -> sqlite3.Connection:
    """Open a ledger to read it, whether another process writes to it now, was killed over it, or closed it.

    Raises:
        sqlite3.Error: There is none, or it is no ledger of this format.
    """
    finished = connect_finished(path)
    if finished is not None:
        return finished
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA query_only = ON")
    _bound(connection, path)
    _see_shape(connection)
    return connection


def _format_of(connection: sqlite3.Connection) -> int:
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found not in (0, FORMAT):
        raise sqlite3.DatabaseError(f"the ledger has format {found}, this thingmill reads format {FORMAT}")
    return found


def _bound(connection: sqlite3.Connection, path: Path) -> None:
    """Let reading take no more than a ledger of its size can.

    Pages that somebody else arranged may name one another, so that a small file has rows without end; a reading
    that takes too long is broken off. Between its steps Ctrl-C is seen, too.
    """
    log = path.with_name(path.name + "-wal")
    size = path.stat().st_size + (log.stat().st_size if log.exists() else 0)
    left = max(size * _STEPS_A_BYTE, _STEPS_AT_LEAST)

    def looked() -> int:
        nonlocal left
        left -= _STEPS_AT_ONCE
        return left < 0

    connection.set_progress_handler(looked, _STEPS_AT_ONCE)


def _see_shape(connection: sqlite3.Connection) -> None:
    """See that a ledger has the tables that a thingmill makes, and no others.

    One that somebody else made could have a view in the place of a table, which yields rows without end, or a
    table without its key, in which each page is looked for from the beginning. Devices are numbered from 1.

    Raises:
        sqlite3.DatabaseError: It has not.
    """
    connection.execute("PRAGMA trusted_schema = OFF")
    _format_of(connection)
    if _shape_of(connection) != _shape():
        raise sqlite3.DatabaseError("its tables are not those of a ledger")
    if connection.execute("SELECT 1 FROM devices WHERE seq < 1 LIMIT 1").fetchone():
        raise sqlite3.DatabaseError("it has a device without a number")


@functools.cache
def _shape() -> frozenset[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(_TABLES)
        return _shape_of(connection)


def _shape_of(connection: sqlite3.Connection) -> frozenset[tuple[object, ...]]:
    return frozenset(map(tuple, connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema")))


def _see_files(path: Path) -> None:
    """See that none of the files that SQLite would open leads somewhere else: it follows symbolic links.

    The folder is closed to others, so what is found stays so.
    """
    for name in (path.name, *(path.name + suffix for suffix in _COMPANIONS)):
        place = path.with_name(name)
        with files.named(place, "look at"), contextlib.suppress(FileNotFoundError):
            privacy.check_file(place, place.lstat())


@contextlib.contextmanager
def readable(path: Path | None = None, doing: str = "opened") -> Iterator[None]:
    """Say plainly why a ledger cannot be opened or read.

    Args:
        path: Where it is, if that is known.
        doing: What it cannot be where the disk refuses.
    """
    shown = "the ledger" if path is None else f"the ledger {printable(str(path))}"
    try:
        yield
    except sqlite3.OperationalError as error:
        if str(error) == "interrupted":
            raise RunFolderError(
                f"{shown} was not read to its end: it has more rows than a file of its size can, or Ctrl-C was "
                "pressed",
                advice="do not use a run folder that is like that; get it anew from where it was made",
            ) from error
        if "malformed JSON" in str(error):
            raise RunFolderError(
                f"{shown} has a row that no thingmill can have written",
                advice="do not use this run folder; get it anew from where it was made",
            ) from error
        raise DiskError(
            f"{shown} cannot be {doing}: {printable(str(error))}",
            advice="make room or mend the disk and its permissions, then run the same command again",
        ) from error
    except sqlite3.DatabaseError as error:
        is_none = "is no ledger that this thingmill can read"
        raise RunFolderError(
            f"{printable(str(path)) if path else shown} {is_none}: {printable(str(error))}",
            advice="choose another folder with --name, and keep this one",
        ) from error
