"""Revokes that were begun and have not come to their end, kept in the run's ledger.

What a revoke is asked for is noted before its first call, and forgotten when it has come to its end, though some
devices may then stay. One that was stopped or killed is so known as that, also where none of its devices is half
taken back, and the run is not gone on with: it would issue for devices that were to be taken back.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from pipeline.errors import RunFolderError, UsageError
from pipeline.scope import Scope, Selection
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.ledger import Ledger, Reader

__all__ = ["HALF", "NONE_BEGUN", "Begun", "begin", "begun", "end"]

HALF = "(revoking = 1 AND outcome IS NOT 'revoked')"
"""SQL that picks the devices of which something may be taken back already, and something may be left."""

_NOTE = "revokes"
"""The name of the ledger's note: a JSON list of scopes."""

_MOST_NAMES = 3


@dataclass(frozen=True, slots=True)
class Begun:
    """What is left of the revokes that were begun.

    Attributes:
        scopes: What they were asked for, those that have not come to their end.
        left: How many devices are still to be taken back.
        half: How many of them may be half taken back.
    """

    scopes: tuple[Scope, ...] = ()
    left: int = 0
    half: int = 0

    def commands(self, run: str) -> str:
        """Return what ends these revokes, safe to print.

        Where all of them have come to their end and devices stay half taken back, that is these and no other.

        Args:
            run: The run, as the command line names it.
        """
        start = f"thingmill revoke {shlex.quote(printable(run, 128))}"
        ending = ", then ".join(" ".join([start, *_options(scope)]) for scope in self.scopes)
        return ending or self.keeping(run)

    def keeping(self, run: str) -> str:
        """Return the command that takes back only what is half taken back, and gives up the rest."""
        return f"thingmill revoke {shlex.quote(printable(run, 128))} --begun-only"


NONE_BEGUN = Begun()


def begun(reader: Reader) -> Begun:
    """Return the revokes that were begun and have not come to their end.

    Raises:
        RunFolderError: No thingmill wrote the note of them.
    """
    scopes = _recall(reader.meta())
    try:
        meant = [HALF, *(Selection.of(scope, reader).standing for scope in scopes)]
    except UsageError as error:
        raise _strange() from error
    half = reader.count(HALF)
    return Begun(scopes, reader.count(" OR ".join(meant)) if scopes else half, half)


async def begin(ledger: Ledger, scope: Scope) -> None:
    """Make durable what a revoke is asked for. One of what was begun adds nothing to it."""
    scopes = _recall(ledger.read.meta())
    if not scope.begun_only and scope not in scopes:
        await _remember(ledger, (*scopes, scope))


async def end(ledger: Ledger, scope: Scope) -> int:
    """Forget a revoke that has come to its end, and those before it whose devices were all meant by it, too.

    One of what was begun alone gives up the rest of all of them.

    Returns:
        How many devices are no longer to be taken back.
    """
    read, known = ledger.read, begun(ledger.read)
    meant = Selection.of(scope, read).meant

    def is_left(other: Scope) -> bool:
        return read.count(f"{Selection.of(other, read).standing} AND NOT {meant}") > 0

    scopes = (
        () if scope.begun_only else tuple(other for other in known.scopes if other != scope and is_left(other))
    )
    if scopes != known.scopes:
        await _remember(ledger, scopes)
    return known.left - known.half if scope.begun_only else 0


async def _remember(ledger: Ledger, scopes: tuple[Scope, ...]) -> None:
    await ledger.remember({_NOTE: json.dumps([asdict(scope) for scope in scopes])})


def _options(scope: Scope) -> list[str]:
    names = [f"--device {shlex.quote(printable(name, 128))}" for name in scope.devices[:_MOST_NAMES]]
    more = [f"(and {len(scope.devices) - _MOST_NAMES:,} more)"] if len(scope.devices) > _MOST_NAMES else []
    switches = {"--failed-only": scope.failed_only, "--things": scope.things, "--purge": scope.purge}
    return [*names, *more, *(switch for switch, given in switches.items() if given)]


def _recall(meta: Mapping[str, str]) -> tuple[Scope, ...]:
    try:
        return tuple(_scope(**fields) for fields in json.loads(meta.get(_NOTE, "[]")))
    except (RecursionError, TypeError, ValueError) as error:
        raise _strange() from error


def _scope(*, devices: object, failed_only: object, begun_only: object, things: object, purge: object) -> Scope:
    if not isinstance(devices, list) or not all(isinstance(name, str) for name in devices):
        raise TypeError
    return Scope(tuple(devices), failed_only is True, begun_only is True, things is True, purge is True)


def _strange() -> RunFolderError:
    return RunFolderError(
        "the ledger has a note of what is being revoked that no thingmill can have written",
        advice="do not use this run folder; get it anew from where it was made",
    )
