"""Where a run stands, for people: a page of lines, or one line, and the page drawn again while the run goes on."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pipeline.counting import counted, plural
from pipeline.device import State
from pipeline.durations import clock_time
from pipeline.status import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.status import Status

__all__ = ["one_line", "page", "watch_lines", "watch_page"]

EVERY_SECONDS = 1.0

_FRACTION = re.compile(r"\.\d+(?=Z$)")
_SCARCE = ("CreateCertificateFromCsr", "AttachPolicy")
_PHASES = {
    "stopped": "no process has it; run it again to go on",
    "finished": "nothing is left to do",
    "revoked": "taken back",
}
_OTHER_STATES = {"failed": "FAILED", "revoked": "REVOKED"}
"""The names that reports have for what is no step."""
_WIDE = 22
_NAMES = 11
"""Characters for what is counted, and for the name that reports have for it."""


def page(status: Status) -> str:
    """Return a run's standing on some lines, safe to print."""
    return "\n".join(_lines(status))


def one_line(status: Status) -> str:
    """Return a run's standing on one line that stays the same while no device gets anywhere."""
    standing = status.standing
    parts = [f"{status.run}: {_phase(status)}", f"{standing.states[State.DONE]:,} of {status.devices:,} done"]
    parts += [f"{number:,} {outcome}" for outcome, number in standing.outcomes.items() if number]
    if status.begun.left:
        parts.append(f"{status.begun.left:,} left of a revoke")
    if standing.doubtful:
        parts.append(f"{standing.doubtful:,} in doubt")
    parts.append(f"{counted(standing.issued, 'certificate')} issued")
    return ", ".join(parts)


def watch_page(look: Callable[[], Status], stream: TextIO, wait: Callable[[float], None] = time.sleep) -> None:
    """Show a run until no process has it: the page, drawn anew each second.

    Where nothing can be drawn in place, a line is printed for each change.

    Args:
        look: Returns how the run stands now.
        stream: Where to.
        wait: Waits so many seconds.
    """
    console = Console(file=stream, markup=False, emoji=False, highlight=False)
    if not stream.isatty() or console.is_dumb_terminal:
        watch_lines(look, stream, one_line, wait)
        return
    status = look()
    with Live(_drawn(status), console=console, auto_refresh=False, redirect_stdout=False) as live:
        while status.phase == "running":
            wait(EVERY_SECONDS)
            status = look()
            live.update(_drawn(status), refresh=True)


def watch_lines(
    look: Callable[[], Status],
    stream: TextIO,
    line: Callable[[Status], str],
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Print a line whenever a device got somewhere, until no process has the run.

    Args:
        look: Returns how the run stands now.
        stream: Where to.
        line: What to print of it.
        wait: Waits so many seconds.
    """
    before = ""
    while True:
        status = look()
        if (now := one_line(status)) != before:
            before = now
            print(line(status), file=stream, flush=True)
        if status.phase != "running":
            return
        wait(EVERY_SECONDS)


def _drawn(status: Status) -> Text:
    return Text(page(status), no_wrap=True, overflow="ellipsis")


def _lines(status: Status) -> Iterator[str]:
    standing = status.standing
    yield f"{status.run}: {_phase(status)}, {_who(status)}"
    if status.begun.left:
        yield from _revoke(status)
    yield f"in {status.folder}"
    bound = [status.about("account"), status.about("Region"), _keys(status)]
    yield ", ".join(filter(None, bound)) or "not bound to an account yet"
    yield ""
    rows = [(STEPS[state], state.name, number) for state, number in standing.states.items()]
    rows += [(outcome, _OTHER_STATES.get(outcome, ""), number) for outcome, number in standing.outcomes.items()]
    rows += [
        ("devices", "", status.devices),
        ("in doubt", "", standing.doubtful),
        ("certificates issued", "", standing.issued),
    ]
    wide = max(len(f"{number:,}") for *_, number in rows)
    for label, name, number in rows:
        yield f"{label:<{_WIDE}}{name:<{_NAMES}}{number:>{wide},}"
    for code, number in status.worst_codes():
        yield f"failed with {code}: {number:,}"
    hidden = len(standing.failures) - len(status.worst_codes())
    if hidden > 0:
        yield f"… and with {hidden:,} other {plural('code', hidden)}"
    yield ""
    if status.per_second is not None:
        left = "" if status.seconds_left is None else f", about {clock_time(status.seconds_left)} left"
        gone = f"{status.taken_back:,} taken back" if status.begun.left else f"{standing.finished:,} done"
        yield f"{gone} in the last {status.window:.0f} s, {status.per_second:.1f}/s{left}"
    elif standing.changed:
        # To the second; text that no thingmill wrote has no such part.
        yield f"last change at {_FRACTION.sub('', standing.changed)}"
    granted = [
        f"{api} {status.quotas[api]['rate']:g}/s ({status.quotas[api]['source']})"
        for api in _SCARCE
        if api in status.quotas
    ]
    if granted:
        yield f"quotas: {', '.join(granted)}"


def _keys(status: Status) -> str:
    """Name the keys that are made; where rows name others than the run's, with how many there are of each."""
    run, found = status.about("key type"), status.key_types
    if len(found) > 1 or (found and run not in found):
        return f"keys: {', '.join(f'{number:,} {key_type}' for key_type, number in found.items())}"
    return f"{run} keys" if run else ""


def _phase(status: Status) -> str:
    """Return the phase in a word: a run with failures is no finished one."""
    return "ended" if status.phase == "finished" and status.standing.outcomes["failed"] else status.phase


def _revoke(status: Status) -> Iterator[str]:
    """Say how far a revoke is, and what ends it where nobody is at it."""
    devices = counted(status.devices, "device")
    yield f"a revoke was begun: {status.begun.left:,} of {devices} left to take back"
    if status.holder is None:
        yield f"to end it, run {status.begun.commands(status.run)} with the options of the account"
        if status.begun.scopes:
            yield f"to keep what it has not begun with, run {status.begun.keeping(status.run)}"


def _who(status: Status) -> str:
    if status.holder is None:
        if status.begun.left:
            return "no process has it"
        if _phase(status) == "ended":
            where = f": see {status.failed_list}" if status.failed_list else ""
            failed = status.standing.outcomes["failed"]
            return f"{failed:,} failed{where}; mend the cause, then run it again"
        return _PHASES[status.phase]
    return f"process {status.holder.pid if status.holder.pid is not None else '(not said)'} has it"
