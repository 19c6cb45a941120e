"""What one process of a run did and when: what a summary says that no device's row tells.

The process keeps it in the ledger when it ends, so ``thingmill report`` writes the same summary again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline.device import State
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.meter import Meter

__all__ = ["Usage"]

_KEY = "usage"


@dataclass(frozen=True, slots=True)
class Usage:
    """What the last process of a run did. The defaults say that it was killed before it could tell.

    Attributes:
        started: When it began, with the time zone.
        finished: When it ended.
        issued: Certificates that it had issued, or found, and recorded.
        done: Devices that it brought to their end.
        throttles: How often each API operation was throttled.
        exit_code: What it ended with.
    """

    started: datetime | None = None
    finished: datetime | None = None
    issued: int = 0
    done: int = 0
    throttles: Mapping[str, int] = field(default_factory=dict)
    exit_code: int | None = None

    @classmethod
    def of(cls, meter: Meter, started: datetime, finished: datetime, exit_code: int) -> Usage:
        """Return what a process did by its meter."""
        return cls(
            started=started,
            finished=finished,
            issued=meter.at_least[State.ISSUED] - meter.issued_before,
            done=meter.at_least[State.DONE] - meter.done_before,
            throttles=dict(meter.throttles()),
            exit_code=exit_code,
        )

    @property
    def seconds(self) -> float | None:
        """How long it ran."""
        if self.started is None or self.finished is None:
            return None
        return max(0.0, (self.finished - self.started).total_seconds())

    @property
    def devices_per_second(self) -> float | None:
        """Its pace over the whole time, or None where it did nothing."""
        return self.done / self.seconds if self.seconds and self.done else None

    def notes(self) -> dict[str, str]:
        """Return what ``Ledger.remember`` should keep, for ``recall``."""
        return {_KEY: json.dumps(asdict(self), default=datetime.isoformat)}

    @classmethod
    def recall(cls, meta: Mapping[str, str]) -> Usage:
        """Return what the notes in a ledger say; an empty usage where the run never came to its end.

        Notes that no thingmill wrote count for nothing.
        """
        try:
            fields: dict[str, Any] = json.loads(meta.get(_KEY, "{}"))
            started, finished = (_moment(fields.get(name)) for name in ("started", "finished"))
            throttles = {printable(api): int(number) for api, number in fields.get("throttles", {}).items()}
            issued, done, code = int(fields.get("issued", 0)), int(fields.get("done", 0)), fields.get("exit_code")
            return cls(started, finished, issued, done, throttles, None if code is None else int(code))
        except (AttributeError, OverflowError, RecursionError, TypeError, ValueError):
            return cls()


def _moment(text: str | None) -> datetime | None:
    moment = datetime.fromisoformat(text) if text else None
    if moment is not None and moment.tzinfo is None:
        raise ValueError
    return moment
