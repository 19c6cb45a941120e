"""How a process of a run gets on, kept in the ledger while it works: what a report draws the pace from.

A reading is noted each second, and later each six-hundredth of the time that the process has taken: a run of a
minute has 60 of them and one of a day some 3,600. Any stretch of time is so drawn from enough of them, and the
ledger stays small. Nothing of a device's way depends on a reading; one that the disk refuses is left out.
"""

from __future__ import annotations

import contextlib
import json
import platform
import shlex
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

import pipeline
from pipeline.counting import counted
from pipeline.device import State
from pipeline.errors import DiskError
from pipeline.ledger import Sample
from pipeline.meter import Limit, Reading
from pipeline.published import number
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from pipeline.ledger import Ledger
    from pipeline.meter import Meter
    from pipeline.settings import Settings

__all__ = ["About", "History", "options_of", "pause_after", "reading_of"]

EVERY_SECONDS = 1.0
PART = 1 / 600
"""The part of a process's time after which it notes a reading again, once that is longer than a second."""

_LONGEST = 4096
"""Characters of a command line that are kept at most."""


@dataclass(frozen=True, slots=True)
class About:
    """What a process was: who it was for AWS, where it ran, and what it was told. All of it printable.

    Attributes:
        thingmill: Its version.
        identity: The ARN that made its calls.
        station: The name of its machine.
        options: What it was told, by the names of the command line; secrets are not among it.
        words: The words of its command line, ``run`` first, or none where they are not known.
        partial: Whether its manifest was the list of the run's own failures, and so only some of its devices.
    """

    thingmill: str = ""
    identity: str = ""
    station: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    partial: bool = False

    @classmethod
    def of(cls, settings: Settings, identity: str) -> About:
        """Return it for this process."""
        return cls(
            pipeline.__version__,
            printable(identity),
            printable(platform.node()),
            options_of(settings),
            _plain(settings.words),
            settings.resumes_failed,
        )

    @property
    def command(self) -> str:
        """Return its command line, quoted for a shell, or "" where that is not known or nobody could repeat it."""
        if not self.words or self.options.get("manifest") == "-":
            return ""
        return shlex.join(["thingmill", *self.words])

    @classmethod
    def recall(cls, text: str) -> About:
        """Return what a ledger says; what no thingmill wrote counts for nothing."""
        try:
            fields: dict[str, Any] = json.loads(text)
            options = {printable(name): printable(value) for name, value in fields["options"].items()}
            thingmill, identity, station = (
                printable(fields[name]) for name in ("thingmill", "identity", "station")
            )
            words = _plain(fields.get("words", ()))
            return cls(thingmill, identity, station, options, words, fields.get("partial") is True)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            return cls()


def _plain(words: Iterable[str]) -> tuple[str, ...]:
    """Return the words of a ``thingmill run``, or none where they are no such, or cannot be shown as they are."""
    found = tuple(words)
    shown = " ".join(found)
    return found if found[:1] == ("run",) and printable(shown, _LONGEST) == shown else ()


def pause_after(seconds: float) -> float:
    """Return how long to wait for the next reading when a process has worked for so many seconds."""
    return max(EVERY_SECONDS, seconds * PART)


def options_of(settings: Settings) -> dict[str, str]:
    """Return what a run was told, by the names of the command line, without what was left as it is by default."""
    defaults, access = settings.defaults, settings.access
    encryption = settings.encryption
    told: dict[str, object] = {
        "manifest": settings.manifest,
        "--part": settings.part,
        "--profile": access.profile,
        "--endpoint-url": access.endpoint_url,
        "--local": settings.local,
        "--key": settings.key_type.value,
        "--workers": settings.workers if settings.cluster is None else settings.cluster.scheduler,
        "--insecure-workers": settings.cluster is not None and settings.cluster.insecure,
        "--rate": settings.rate,
        "--quota": ", ".join(f"{api}={rate:g}" for api, rate in sorted(access.quotas.items())),
        "--policy": defaults.policy,
        "--thing-type": defaults.thing_type,
        "--group": ", ".join(defaults.groups),
        "--billing-group": defaults.billing_group,
        "--create-missing": settings.create_missing,
        "--inactive": settings.inactive,
        "--existing": settings.existing.value,
        "--csr-dir": settings.csr_dir,
        "--encrypt-to": counted(len(encryption.recipients), "recipient") if encryption.recipients else None,
        "--passphrase": encryption.passphrase,
        "--shard": settings.shard,
        "--format": ", ".join(("pem", *settings.formats)),
    }
    return {
        name: "yes" if value is True else printable(str(value))
        for name, value in told.items()
        if value not in (None, False, "")
    }


class History:
    """Notes how this process gets on.

    Args:
        ledger: Takes the notes.
        meter: Knows how far the run is.
        number: Which process of the run this is.
    """

    def __init__(self, ledger: Ledger, meter: Meter, number: int) -> None:
        self._ledger = ledger
        self._meter = meter
        self._number = number
        self._begun = anyio.current_time()

    @classmethod
    async def begin(cls, ledger: Ledger, meter: Meter, started: datetime, about: About) -> History:
        """Enter this process in the ledger."""
        return cls(ledger, meter, await ledger.processes.begin(started, json.dumps(asdict(about))))

    async def keep(self) -> None:
        """Note readings until this is cancelled."""
        while True:
            await anyio.sleep(pause_after(anyio.current_time() - self._begun))
            with contextlib.suppress(DiskError):  # whoever writes for a device hears of it, and the run ends
                await self._note()

    async def end(self, usage: str) -> None:
        """Note the last reading, and what the process did in all."""
        await self._note()
        await self._ledger.processes.end(self._number, usage)

    async def _note(self) -> None:
        second = round(anyio.current_time() - self._begun, 3)
        reading = json.dumps(asdict(self._meter.reading()), separators=(",", ":"))
        await self._ledger.processes.note(self._number, Sample(second, reading))


def reading_of(sample: Sample) -> Reading | None:
    """Return what a sample says, or None where no thingmill wrote it."""
    try:
        fields: dict[str, Any] = json.loads(sample.reading)
        limit = fields["limit"]
        return Reading(
            reached=_by_state(fields["reached"], int),
            spent=_by_state(fields["spent"], float),
            failed=int(number(fields["failed"])),
            skipped=int(number(fields["skipped"])),
            throttles={printable(api): int(number(times)) for api, times in fields["throttles"].items()},
            limit=None if limit is None else _limit_of(limit),
        )
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError):
        return None


def _by_state(found: Mapping[str, Any], kind: type[int | float]) -> dict[str, Any]:
    return {state.name: kind(number(found[state.name])) for state in State if state.name in found}


def _limit_of(fields: Mapping[str, Any]) -> Limit:
    rate = fields["per_second"]
    rate = None if rate is None else float(number(rate))
    return Limit(printable(fields["name"]), rate, int(number(fields["waiting"])))
