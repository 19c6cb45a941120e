"""A manifest's devices entered into a ledger, or found to be there already.

A run folder belongs to one manifest. Rows appended to it are new devices; a row may change until its key
exists; anything else would make the ledger say something about devices that are no longer meant, so it is
refused with the difference named. The run's own list of failures, fed back, is a part of that manifest: it may
leave devices out, and may not bring others.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pipeline.device import State
from pipeline.errors import RunFolderError
from pipeline.text import printable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["IN_ROSTER", "enrol", "is_enrolled"]

IN_ROSTER = "folded IN (SELECT folded FROM roster)"
"""SQL that picks the devices of a manifest whose roster is attached."""

_CHANGED = """
SELECT d.seq, d.thing_name, d.state, d.thing_created, d.description AS before, r.description AS after
FROM devices AS d JOIN roster.roster AS r USING (folded)
WHERE d.description <> r.description OR d.thing_name <> r.thing_name
"""
_GONE = (
    "SELECT thing_name FROM devices WHERE folded NOT IN (SELECT folded FROM roster.roster) ORDER BY seq LIMIT 1"
)
_CLEARED = ("outcome", "failed_step", "error_code", "error_message", "error_advice")
_RETRIED = (
    f"UPDATE devices SET {', '.join(f'{name} = NULL' for name in _CLEARED)} "  # noqa: S608  our own names
    f"WHERE outcome = 'failed' AND {IN_ROSTER}"
)
_NEW = "FROM roster.roster AS r WHERE r.folded NOT IN (SELECT folded FROM devices)"


def enrol(connection: sqlite3.Connection, roster: Path, folder: Path, *, partial: bool) -> int:
    """Enter the devices of a manifest in one transaction, and return how many are new.

    Those of them that failed are put back in line, at the step that failed.

    Args:
        connection: The ledger, in autocommit mode.
        roster: The manifest's roster (``pipeline.manifest.roster``).
        folder: The run's folder, as the user names it.
        partial: Devices that the manifest leaves out are no fault: it is the run's own ``failed.csv``.

    Raises:
        RunFolderError: The ledger belongs to another manifest.
    """
    connection.execute("ATTACH ? AS roster", (str(roster),))
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if partial:
                _refuse_strangers(connection)
            else:
                _refuse_gone(connection, folder)
            for row in connection.execute(_CHANGED).fetchall():
                _refuse_keyed(row)
                # From the start again: a thing that is there is held against what is asked for now.
                connection.execute(
                    "UPDATE devices SET description = ?, thing_name = ?, state = ? WHERE seq = ?",
                    (row["after"], json.loads(row["after"])["thing_name"], int(State.LISTED), row["seq"]),
                )
            if not partial:
                connection.execute(
                    "UPDATE devices SET line = r.line FROM roster.roster AS r WHERE r.folded = devices.folded"
                )
            entered = connection.execute(
                f"INSERT INTO devices (thing_name, folded, line, description) "
                f"SELECT r.thing_name, r.folded, r.line, r.description {_NEW} ORDER BY r.seq"
            ).rowcount
            connection.execute(_RETRIED)
        except BaseException:
            if connection.in_transaction:  # SQLite itself undoes one that the disk refused
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return entered
    finally:
        connection.execute("DETACH roster")


def is_enrolled(connection: sqlite3.Connection, roster: Path) -> bool:
    """Return whether a ledger holds exactly the devices of a manifest, as the manifest has them."""
    connection.execute("ATTACH ? AS roster", (str(roster),))
    try:
        questions = (_CHANGED, _GONE, f"SELECT 1 {_NEW}")
        return not any(connection.execute(question).fetchone() for question in questions)
    finally:
        connection.execute("DETACH roster")


def _refuse_gone(connection: sqlite3.Connection, folder: Path) -> None:
    gone = connection.execute(_GONE).fetchone()
    if gone is None:
        return
    advice = "put the row back, or choose another folder with --name"
    if connection.execute(f"SELECT 1 {_NEW} LIMIT 1").fetchone() is None:
        own = printable(str(folder / "failed.csv"))
        advice = (
            "put the row back; or to go on with these devices alone, save them as "
            f"{own} and run that file; or choose another folder with --name"
        )
    raise RunFolderError(
        f"the run folder belongs to another manifest: it holds {printable(gone['thing_name'])}, "
        "which this manifest does not name",
        advice=advice,
    )


def _refuse_strangers(connection: sqlite3.Connection) -> None:
    """Refuse devices that the run does not have: most likely a name was changed by mistake."""
    stranger = connection.execute(f"SELECT r.thing_name {_NEW} ORDER BY r.seq LIMIT 1").fetchone()
    if stranger is not None:
        raise RunFolderError(
            f"{printable(stranger['thing_name'])} is no device of this run, so it is not one that failed in it",
            advice="write its name as the run has it; a new device goes into the manifest of the run",
        )


def _refuse_keyed(row: sqlite3.Row) -> None:
    before, after = json.loads(row["before"]), json.loads(row["after"])
    if "csr" in before and "csr" not in after:
        # Whatever its state: a key would be made here for a device that has its own.
        raise RunFolderError(
            f"{printable(row['thing_name'])} brought a CSR, and brings none now",
            advice="give its csr or --csr-dir as before, or choose another folder with --name",
        )
    if before.get("encrypt_to") != after.get("encrypt_to"):
        # Whatever its state: a key that nobody has recorded may be there, and does not say for whom it is.
        raise RunFolderError(
            f"{printable(row['thing_name'])} is for other recipients than before (encrypt_to)",
            advice="give the row as it was, or choose another folder with --name",
        )
    renamed = before["thing_name"] != after["thing_name"]
    if row["state"] < State.KEYED and not (renamed and row["thing_created"]):
        return
    differences = "; ".join(_differences(before, after))
    has = f"{printable(row['thing_name'])} has its {'thing' if row['state'] < State.KEYED else 'key'} already"
    raise RunFolderError(
        f"{has}, and what is asked for it has changed: {differences}",
        advice="give the row and the options as the run has them: what was corrected in failed.csv is to be "
        "corrected in the manifest, too. To have it otherwise, take the device back with thingmill revoke RUN "
        "--device NAME, and provision it in a run of its own (--name)",
    )


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield each field that is not as it was, and each attribute by itself."""
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if name == "attributes":
            # What is in a ledger that somebody else made may be of any shape.
            old, new = (found if isinstance(found, dict) else {} for found in (was, now))
            for key in sorted(old.keys() | new.keys()):
                if old.get(key) != new.get(key):
                    change = _change("", old.get(key), new.get(key))
                    yield f"attribute {printable(key, 128)} {change}"
        elif was != now:
            yield f"{name} {_change(name, was, now)}"


def _change(name: str, before: object, after: object) -> str:
    """Say how a field of a device was and is now."""
    if name == "csr" and before is not None and after is not None:
        return f"is another CSR: its key was {_key_of(before)} and is now {_key_of(after)} (spki_sha256)"
    was, now = (_shown(value) for value in (before, after))
    if name == "csr":
        was, now = (word if word == "not given" else "given" for word in (was, now))
    return f"was {was} and is now {now}"


def _shown(value: object) -> str:
    """Return a value as a manifest has it."""
    if isinstance(value, list):
        value = ";".join(map(str, value))
    return "not given" if value is None else printable(str(value), 80)


def _key_of(csr: object) -> str:
    """Return the hash of the key in a CSR, as ``summary.csv`` has it."""
    # Nobody else here needs cryptography.
    from pipeline.keys import public_key_of_csr, spki_sha256  # noqa: PLC0415

    try:
        return spki_sha256(public_key_of_csr(str(csr)))
    except ValueError:
        return "unreadable"  # in a ledger that somebody else made
