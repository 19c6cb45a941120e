"""Writing a ledger: one method for each change of state, durable when it returns."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

import anyio
import anyio.to_thread

from pipeline.binding import KEY_ENCRYPTION, difference
from pipeline.device import State
from pipeline.errors import RunFolderError
from pipeline.ledger import enrolment, schema
from pipeline.ledger.processes import Processes
from pipeline.ledger.reader import Reader
from pipeline.ledger.writer import Writer
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pipeline.device import Certificate, Issued
    from pipeline.errors import DeviceError

__all__ = ["Ledger"]


class Ledger:
    """The ledger of a run that this process owns. Use it as an async context manager.

    Every ``async`` method returns when its change is durable.

    Args:
        path: The file.
        before_commit: Makes durable what the ledger's next commit rests on (``AuditTrail.flush``).

    Attributes:
        read: Reads what is durable.
        processes: Takes how the processes of the run got on.
        aws_clock: AWS's time when this machine's monotonic clock was at 0 (``Identity.clock``, set by the run).
    """

    def __init__(self, path: Path, before_commit: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._before_commit = before_commit
        self.aws_clock = time.time() - time.monotonic()

    async def __aenter__(self) -> Self:
        with schema.readable(self._path):
            self._connection = schema.connect(self._path)
            reading = schema.connect(self._path)
            reading.execute("PRAGMA query_only = ON")
        self.read = Reader(reading)
        self._writer = Writer(self._connection, self._path, self._before_commit)
        self.processes = Processes(self._writer)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._writer.close)
        self.read.close()
        # A finished run is one file: the log is folded into it, also when somebody is reading (``live_ledger``),
        # for whom the empty log stays. A disk that refuses leaves the log as it is, which loses nothing.
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    async def bind(self, identity: Mapping[str, str], notes: Mapping[str, str] = MappingProxyType({})) -> None:
        """Bind the run to an account, a Region, a key type, or find that it is bound to them already.

        Args:
            identity: To what, by name.
            notes: What it notes besides, by which a difference is told (``binding.notes``).

        Raises:
            RunFolderError: It is bound to something else, or is bound and does not say how keys are encrypted.
        """

        def apply(connection: sqlite3.Connection) -> str | None:
            before = {str(row["key"]): str(row["value"]) for row in connection.execute("SELECT * FROM meta")}
            for key, value in identity.items():
                if before.get(key, value) != value:
                    return difference(key, value, before, notes)
            if before and KEY_ENCRYPTION in identity and KEY_ENCRYPTION not in before:
                # No run leaves it out. Taken as none, the rest of the keys would be made in clear.
                return f"its ledger does not say its {KEY_ENCRYPTION}"
            new = {**identity, **notes}
            connection.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", new.items())
            return None

        differs = await self._writer.write(apply)
        if differs:
            raise RunFolderError(
                f"the run folder {printable(str(self._path.parent))} belongs to another run: {differs}",
                advice="give the same options as before, or choose another folder with --name",
            )

    async def remember(self, notes: Mapping[str, str]) -> None:
        """Keep what the run used, for its reports."""
        await self._writer.write(
            lambda connection: connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", notes.items())
        )

    async def enrol(self, roster: Path, *, partial: bool = False) -> int:
        """Enter a manifest's devices, put those of them that failed back in line, and return how many are new.

        Called before the first device is in work: the connection has no other user then. From here on ``read``
        knows which devices are the manifest's (``IN_ROSTER``).
        """
        with schema.readable(self._path):
            entered = await anyio.to_thread.run_sync(
                lambda: enrolment.enrol(self._connection, roster, self._path.parent, partial=partial)
            )
            self.read.attach(roster)
            return entered

    async def creating(self, seq: int, *, created: bool = True) -> None:
        """The intent to make the thing is durable, or (``created=False``) it is certain that it was not made."""
        await self._move(seq, State.LISTED, State.LISTED, thing_created=int(created))

    async def planned(self, seq: int, *, created: bool, old_certificates: Sequence[str] = ()) -> None:
        """Step 1 is durable: the thing exists; ``old_certificates`` are the ARNs that it had before."""
        old = json.dumps(list(old_certificates)) if old_certificates else None
        await self._move(seq, State.LISTED, State.PLANNED, thing_created=int(created), old_certificates=old)

    async def keyed(self, seq: int, spki_sha256: str, checksums: Mapping[str, str] = MappingProxyType({})) -> None:
        """Step 2 is durable: key and CSR are on disk.

        Args:
            seq: The device.
            spki_sha256: The hash of its public key.
            checksums: That of the key's file by its name, where it is encrypted.
        """
        files = _json(checksums) if checksums else None
        await self._move(seq, State.PLANNED, State.KEYED, spki_sha256=spki_sha256, files=files)

    async def requested(self, seq: int) -> None:
        """Step 3 is durable: a certificate may be asked for from now on. The time kept is AWS's."""
        at = self.aws_clock + time.monotonic()
        await self._move(seq, State.KEYED, State.REQUESTED, requested_at=at)

    async def refused(self, seq: int) -> None:
        """It is certain that no certificate was issued: the request may be made again."""
        await self._move(seq, State.REQUESTED, State.KEYED, requested_at=None)

    async def issued(self, seq: int, certificate: Certificate) -> None:
        """Step 5 is durable: the certificate passed inspection and is stored."""
        await self._move(
            seq,
            State.REQUESTED,
            State.ISSUED,
            certificate_id=certificate.certificate_id,
            certificate_arn=certificate.arn,
            certificate_pem=certificate.pem,
            not_after=certificate.not_after,
        )

    async def bundled(self, seq: int, checksums: Mapping[str, str]) -> None:
        """Step 6 is durable: the bundle is on disk, and holds the certificate from now on.

        Args:
            seq: The device.
            checksums: The hex SHA-256 of each public file of the bundle, by its name.
        """
        await self._move(seq, State.ISSUED, State.BUNDLED, certificate_pem=None, files=_json(checksums))

    async def linked(self, seq: int) -> None:
        """Step 7 is durable."""
        await self._move(seq, State.BUNDLED, State.LINKED)

    async def done(self, seq: int) -> None:
        """Step 8 is durable: the device can connect."""
        await self._move(seq, State.LINKED, State.DONE)

    async def failed(self, seq: int, error: DeviceError) -> None:
        """A device failed at a step; what is durable of it stays."""
        await self._write_row(
            seq,
            outcome="failed",
            failed_step=error.step,
            error_code=error.code,
            error_message=error.message,
            error_advice=error.advice,
        )

    async def skipped(self, seq: int, reason: DeviceError) -> None:
        """A device is left alone, as the user asked for."""
        await self._write_row(
            seq, outcome="skipped", failed_step=reason.step, error_code=reason.code, error_message=reason.message
        )

    async def revoking(self, seq: int) -> None:
        """A device is about to be taken back: its state may no longer be so on the account."""
        await self._write_row(seq, revoking=1)

    async def revoked(self, seq: int, *, thing_deleted: bool = False) -> None:
        """What the run did for a device was taken back; one of its name that is made later is not this run's."""
        if thing_deleted:
            await self._write_row(seq, outcome="revoked", thing_created=0)
        else:
            await self._write_row(seq, outcome="revoked")

    async def retired(self, seq: int) -> None:
        """The certificates that a device's thing had before this run were taken away."""
        await self._write_row(seq, retired_at=_now())

    async def rejected(self, seq: int, issued: Issued, error: DeviceError) -> None:
        """A certificate failed inspection: keep it as evidence until it is known to be removed."""
        row = (issued.certificate_id, seq, error.code, error.message, issued.certificate_pem, _now())
        await self._writer.write(
            lambda connection: connection.execute(
                "INSERT OR IGNORE INTO rejected (certificate_id, seq, code, message, certificate_pem, at) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )
        )

    async def removed(self, certificate_id: str) -> None:
        """A rejected certificate is no longer on the account."""
        await self._writer.write(
            lambda connection: connection.execute(
                "UPDATE rejected SET removed = 1 WHERE certificate_id = ?", (certificate_id,)
            )
        )

    async def _move(self, seq: int, before: State, after: State, **fields: str | float | None) -> None:
        await self._write_row(seq, before=before, state=int(after), **fields)

    async def _write_row(self, seq: int, *, before: State | None = None, **fields: str | float | None) -> None:
        names = ", ".join(f"{name} = ?" for name in fields)
        change = f"UPDATE devices SET {names}, updated_at = ? WHERE seq = ?"  # noqa: S608  names are our keywords
        values: list[str | float | None] = [*fields.values(), _now(), seq]
        if before is not None:
            change += " AND state = ?"
            values.append(int(before))

        def apply(connection: sqlite3.Connection) -> None:
            if connection.execute(change, values).rowcount != 1:
                raise AssertionError(f"device {seq} is not in state {before!r}: a step was about to be done twice")

        await self._writer.write(apply)


def _json(checksums: Mapping[str, str]) -> str:
    return json.dumps(dict(checksums), separators=(",", ":"))


def _now() -> str:
    # Several times as quick as strftime, and a device's way asks for it seven times.
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
