"""``audit.jsonl``: each call that may have changed something, who made it, and what came of it.

Lines are appended and fsynced in groups, always before the ledger's next commit, so the ledger never says more
than the trail: what a device's state rests on is on disk in both. A call that was cut short by a kill may be
missing here; where it matters (a certificate may have been issued) the ledger knows, and what is found later is
recorded as ``Adopted``. Nothing in a line is secret: no CSR, no key, no certificate's text.
"""

from __future__ import annotations

import json
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from pipeline import files
from pipeline.appender import Appender
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

__all__ = ["ADOPTED", "AuditTrail", "read"]

ADOPTED = "Adopted"
"""Stands in place of an operation where a lost certificate was found and taken, by a look and not by a call."""


class AuditTrail:
    """Appends to the trail of a run that this process owns.

    Args:
        path: The file, made if need be.
        identity: The ARN of whoever makes the calls.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self._path = path
        self._identity = identity
        self._waiting: deque[bytes] = deque()
        self._unwritten: list[bytes] = []

    def __enter__(self) -> Self:
        self._file = Appender(self._path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.flush()
        finally:
            self._file.close()

    def record(self, api: str, about: Mapping[str, str], result: str, request_id: str) -> None:
        """Note an attempt (``aws.caller.Recorder``); it is durable after the next ``flush``."""
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
        line = {"time": now, "call": api, **about, "result": result, "request_id": request_id}
        texts = {name: printable(text, 2048) for name, text in line.items()}
        self._waiting.append(json.dumps(texts | {"identity": self._identity}).encode("ascii") + b"\n")

    def flush(self) -> None:
        """Have on disk what was noted up to now. May be called from another thread, by one at a time.

        Raises:
            DiskError: The disk refused.
        """
        while self._waiting:
            self._unwritten.append(self._waiting.popleft())
        if self._unwritten:
            # What the disk refuses stays here: the next commit may rest on it too.
            self._file.append(b"".join(self._unwritten))
            self._unwritten.clear()


def read(path: Path) -> Iterator[tuple[int, dict[str, str] | None]]:
    """Yield each line of a trail with its number: its fields, or None where it is torn or no line of a trail.

    Raises:
        FileNotFoundError: There is none.
        DiskError: It cannot be read.
    """
    for number, line in enumerate(files.read_lines(path), 1):
        try:
            fields = json.loads(line)
        except ValueError:
            fields = None
        # What ``record`` writes is printable; anything else (a lone surrogate) is no line of ours.
        whole = isinstance(fields, dict) and all(
            isinstance(value, str) and value.isprintable() for value in fields.values()
        )
        yield number, fields if whole and {"time", "call", "result"} <= fields.keys() else None
