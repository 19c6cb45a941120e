"""What one process of a run did and when, and what it was: what a summary says that no device's row tells.

The process keeps it in the ledger when it ends, so ``thingmill report`` writes the same summary again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.device import State
from pipeline.history import About
from pipeline.published import number
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.ledger import Process, Reader
    from pipeline.meter import Meter

__all__ = ["Usage", "recall"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process of a run did. The defaults say that it was killed before it could tell.

    Attributes:
        started: When it began, with the time zone.
        finished: When it ended.
        issued: Certificates that it had issued, or found, and recorded.
        done: Devices that it brought to their end.
        throttles: How often each API operation was throttled.
        exit_code: What it ended with.
        about: What it was.
    """

    started: datetime | None = None
    finished: datetime | None = None
    issued: int | None = None
    done: int | None = None
    throttles: Mapping[str, int] | None = None
    exit_code: int | None = None
    about: About = field(default_factory=About)

    @classmethod
    def of(cls, meter: Meter, started: datetime, finished: datetime, exit_code: int) -> Usage:
        """Return what a process did by its meter."""
        return cls(
            started=started,
            finished=finished,
            issued=meter.gained(State.ISSUED),
            done=meter.gained(State.DONE),
            throttles=dict(meter.throttles()),
            exit_code=exit_code,
        )

    @property
    def seconds(self) -> float | None:
        """How long it ran."""
        if self.started is None or self.finished is None:
            return None
        return max(0.0, (self.finished - self.started).total_seconds())

    def to_json(self) -> str:
        """Return what the ledger should keep, for ``recall``."""
        kept = {name: value for name, value in asdict(self).items() if name not in ("started", "about")}
        return json.dumps(kept, default=datetime.isoformat)


def recall(reader: Reader) -> tuple[Usage, ...]:
    """Return what a ledger says of the processes that worked on its run, the first of them first.

    What no thingmill wrote counts for nothing.
    """
    return tuple(map(_recalled, reader.processes()))


def _recalled(process: Process) -> Usage:
    about = About.recall(process.about)
    try:
        started = _moment(process.started)
    except (OverflowError, TypeError, ValueError):
        started = None
    try:
        fields: dict[str, Any] = json.loads(process.usage or "{}")
        if (finished := _moment(fields.get("finished"))) is None:
            return Usage(started=started, about=about)
        throttles = {printable(api): int(number(times)) for api, times in fields.get("throttles", {}).items()}
        code = fields.get("exit_code")
        return Usage(
            started=started,
            finished=finished,
            issued=int(number(fields.get("issued", 0))),
            done=int(number(fields.get("done", 0))),
            throttles=throttles,
            exit_code=None if code is None else int(number(code)),
            about=about,
        )
    except (AttributeError, OverflowError, RecursionError, TypeError, ValueError):
        return Usage(started=started, about=about)


def _moment(text: str | None) -> datetime | None:
    moment = datetime.fromisoformat(text) if text else None
    if moment is not None and moment.tzinfo is None:
        raise ValueError
    return None if moment is None else moment.astimezone(UTC)
