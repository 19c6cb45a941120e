"""Where a run stands, from its folder alone: also while another process has it, after a kill, and when it is over.

Nothing is written and the run's lock is never taken, so looking is safe at any time and any number of times.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.begun import NONE_BEGUN, begun
from pipeline.binding import refuse_merged
from pipeline.device import State
from pipeline.layout import RunFolder
from pipeline.ledger import live_ledger
from pipeline.published import VERSION, number
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.begun import Begun
    from pipeline.ledger import Standing

__all__ = ["STEPS", "Holder", "Status", "holder_of", "look"]

STEPS = {
    State.LISTED: "not begun",
    State.PLANNED: "thing is there",
    State.KEYED: "key on disk",
    State.REQUESTED: "certificate asked for",
    State.ISSUED: "certificate stored",
    State.BUNDLED: "bundle on disk",
    State.LINKED: "attached to its thing",
    State.DONE: "done",
}
"""What is durable of a device, in words."""

_WINDOW_SECONDS = 60.0
_MOST_CODES = 10
_LONGEST_PID = 32
_LISTS = ("failed.csv", "failed.jsonl")


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that has a run now.

    Attributes:
        pid: Its process id, or None where it did not say.
        since: When it took the run, seconds of the epoch.
    """

    pid: int | None
    since: float


@dataclass(frozen=True, slots=True)
class Status:
    """Where a run stands. All text has passed ``printable``.

    Attributes:
        run: The run's name.
        folder: Where it is.
        holder: The process that has it now, or None.
        meta: What the run is bound to and what it used, by name (``Reader.meta``).
        key_types: How many devices get a key of each type here (``Reader.key_types``).
        standing: How many devices stand where.
        window: Over how many of the last seconds ``standing.finished`` was counted, and ``taken_back``.
        looked_at: When, seconds of the epoch.
        begun: What is left of a revoke that was begun and has not come to its end.
        taken_back: How many devices were taken back since then, where a revoke was begun.
        failed_list: The name of the list of failures in the run's folder, or "" where there is none.
    """

    run: str
    folder: str
    holder: Holder | None
    meta: Mapping[str, str]
    key_types: Mapping[str, int]
    standing: Standing
    window: float
    looked_at: float
    begun: Begun = NONE_BEGUN
    taken_back: int = 0
    failed_list: str = ""

    @property
    def devices(self) -> int:
        """How many there are in all."""
        return sum(self.standing.states.values()) + sum(self.standing.outcomes.values())

    @property
    def left(self) -> int:
        """How many are still to be brought to their end."""
        return sum(number for state, number in self.standing.states.items() if state is not State.DONE)

    @property
    def phase(self) -> str:
        """``running`` while a process has it; else ``stopped``, ``finished``, or ``revoked`` as a whole."""
        if self.holder is not None:
            return "running"
        if self.begun.left:
            return "stopped"
        if self.standing.outcomes["revoked"] and not self.left and not self.standing.states[State.DONE]:
            return "revoked"
        return "stopped" if self.left else "finished"

    @property
    def per_second(self) -> float | None:
        """Devices finished, or taken back in a revoke, per second of the window; None where nobody is at it."""
        if self.holder is None:
            return None
        return (self.taken_back if self.begun.left else self.standing.finished) / self.window

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at that rate, or None where that cannot be said."""
        left = self.begun.left or self.left
        return left / self.per_second if self.per_second and left else None

    @property
    def quotas(self) -> Mapping[str, Mapping[str, Any]]:
        """The calls per second that the run allows itself, and where each is from, by operation."""
        try:
            return {
                printable(api): {"rate": float(number(grant["rate"])), "source": printable(grant["source"])}
                for api, grant in json.loads(self.meta.get("quotas", "{}")).items()
            }
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            return {}  # no thingmill wrote this, and nothing depends on it

    def about(self, name: str) -> str:
        """Return what the run is bound to (``account``, ``Region``, ``key type``), or "" where it is not yet."""
        return printable(self.meta.get(name, ""))

    def to_json(self) -> dict[str, Any]:
        """Return all of it for machines."""
        standing = self.standing
        return {
            "version": VERSION,
            "run": self.run,
            "folder": self.folder,
            "phase": self.phase,
            "process": None if self.holder is None else self.holder.pid,
            "account": self.about("account"),
            "region": self.about("Region"),
            "key_type": self.about("key type"),
            "key_types": dict(self.key_types),
            "certificates": self.about("certificates"),
            "devices": self.devices,
            "left": self.left,
            "states": {state.name: number for state, number in standing.states.items()},
            "failed": standing.outcomes["failed"],
            "failed_by_code": dict(self.worst_codes()),
            "skipped": standing.outcomes["skipped"],
            "revoked": standing.outcomes["revoked"],
            "revoke_left": self.begun.left,
            "in_doubt": standing.doubtful,
            "certificates_issued": standing.issued,
            "finished": standing.finished,
            "window_seconds": round(self.window, 3),
            "devices_per_second": _rounded(self.per_second),
            "seconds_left": _rounded(self.seconds_left),
            "last_change": standing.changed,
            "quotas": self.quotas,
            "time": datetime.fromtimestamp(self.looked_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def worst_codes(self) -> list[tuple[str, int]]:
        """Return the most frequent causes of failure, ten at most, and how many devices each has."""
        return [(printable(code), number) for code, number in self.standing.failures.items()][:_MOST_CODES]


def look(root: Path, now: float | None = None, before: Status | None = None) -> Status:
    """Return where a run stands.

    Args:
        root: The run's folder.
        now: Seconds of the epoch, where it is not this instant.
        before: What was seen of the same run a moment ago: what only a new manifest changes is not counted again.

    Raises:
        DiskError: The ledger cannot be read.
        RunFolderError: It is no ledger that this thingmill can read, or holds reports alone.
    """
    now = time.time() if now is None else now
    folder = RunFolder(root)
    holder = holder_of(folder.lock)
    # What an earlier process finished says nothing about the pace of this one.
    since = now - _WINDOW_SECONDS if holder is None else max(now - _WINDOW_SECONDS, min(holder.since, now - 1))
    # Opened anew for each look: a reader that stays open keeps the run from folding its log when it ends.
    with closing(live_ledger(folder.ledger)) as reader:
        meta = reader.meta()
        refuse_merged(meta, root)
        standing = reader.standing(datetime.fromtimestamp(since, UTC))
        devices = sum(standing.states.values()) + sum(standing.outcomes.values())
        # Each description is read for it, which takes a second for a million devices.
        unended = begun(reader)
        taken_back = reader.count(f"outcome = 'revoked' AND updated_at > '{_text(since)}'") if unended.left else 0
        same = before is not None and before.devices == devices
        key_types = before.key_types if before is not None and same else reader.key_types()
    return Status(
        run=printable(root.resolve().name),
        folder=printable(str(root)),
        holder=holder,
        meta=meta,
        key_types=key_types,
        standing=standing,
        window=now - since,
        looked_at=now,
        begun=unended,
        taken_back=taken_back,
        failed_list=next((name for name in _LISTS if (root / name).is_file()), ""),
    )


def holder_of(lock: Path) -> Holder | None:
    """Return which process has a run now, without taking it and without making the lock's file.

    Whoever gives a run back empties the file, so only one that is not empty is tried: with a shared lock, for an
    instant, to tell a process that has the run from one that was killed over it.
    """
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        said = os.pread(handle, _LONGEST_PID, 0).decode("ascii", "replace").strip()
        if not said:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return Holder(int(said) if said.isdigit() else None, os.fstat(handle).st_mtime)
        return None
    finally:
        os.close(handle)  # which gives the shared lock back


def _text(moment: float) -> str:
    """Return an instant as the ledger has it."""
    return datetime.fromtimestamp(moment, UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)
