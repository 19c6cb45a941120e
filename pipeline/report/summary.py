"""A run in numbers, worked out from its ledger: what every report, display and event shows of it.

All text in a ``Summary`` has passed ``printable``.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.aws.quotas import Grant
from pipeline.begun import NONE_BEGUN, begun
from pipeline.binding import LACKS
from pipeline.counting import counted, verb
from pipeline.device import State
from pipeline.published import number
from pipeline.report.pace import pace_of
from pipeline.report.usage import Usage, recall
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.begun import Begun
    from pipeline.layout import RunFolder
    from pipeline.ledger import Entry, Origin, Reader
    from pipeline.report.pace import Pace

__all__ = ["FAILED", "REVOKED", "Group", "Summary", "outcome_of", "state_of", "summarise"]

FAILED = "FAILED"
"""Shown as the state of a device that failed; the step beside it says where."""

REVOKED = "REVOKED"
"""Shown as the state of a device that was taken back."""

_SHOWN = {"failed": FAILED, "revoked": REVOKED}

_EXAMPLES = 100

_MOST_LACKS = 10
"""Sentences on what joint reports lack that are told."""

_MOST_CAUSES = 1000
"""Causes that are told apart; a run has a handful, and one that somebody else made may have any number."""

OTHERS = "Others"
"""The code of all causes beyond these."""


@dataclass(frozen=True, slots=True)
class Group:
    """Devices that ended for the same cause.

    Attributes:
        code: The cause.
        count: How many they are.
        things: The first of them in the manifest's order, a hundred at most.
        message: What happened to the first of them.
        advice: What to do about it, or "".
    """

    code: str
    count: int
    things: tuple[str, ...]
    message: str
    advice: str


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in numbers.

    Attributes:
        run: The run's name.
        folder: Where it is.
        processes: What the processes did that worked on it, the first of them first.
        account: The AWS account's number, or "" where the run never came so far; and so the others.
        region: The AWS Region.
        key_type: The run's own kind of keys, as ``--key`` names it.
        endpoint: The host that the devices connect to.
        quotas: The budgets by API operation.
        total: Devices in the run.
        with_csr: Those that brought a CSR and keep their own key.
        states: How many stand at each state, in the order of the steps; those that failed stand at ``FAILED``,
            those that were taken back at ``REVOKED``.
        outcomes: How many are ``done``, ``failed``, ``skipped``, ``open`` and ``revoked``.
        failures: The devices that failed by cause, the most frequent first.
        skips: The devices that were left alone by cause, the most frequent first.
        pace: How fast it was, and what held it.
        key_types: How many devices get a key of each type here, a row's own type counted before the run's.
        origins: The runs that it was put together from; none where it is one run.
        issued: Certificates that are on record, those of processes that were killed and those taken back included.
        revoked_at: When a device was last taken back, or None where none was.
        begun: What is left of a revoke that was begun and has not come to its end.
        lacks: What it is not whole for though no device shows it, where it was put together from several runs.
    """

    run: str
    folder: RunFolder
    processes: tuple[Usage, ...]
    account: str
    region: str
    key_type: str
    endpoint: str
    quotas: Mapping[str, Grant]
    total: int
    with_csr: int
    states: Mapping[str, int]
    outcomes: Mapping[str, int]
    failures: tuple[Group, ...]
    skips: tuple[Group, ...]
    pace: Pace
    key_types: Mapping[str, int] = field(default_factory=dict)
    issued: int = 0
    origins: tuple[Origin, ...] = ()
    revoked_at: datetime | None = None
    begun: Begun = NONE_BEGUN
    lacks: tuple[str, ...] = ()

    @property
    def usage(self) -> Usage:
        """What the last of the processes did."""
        return self.processes[-1] if self.processes else Usage()

    @property
    def verdict(self) -> str:
        """The outcome in a sentence without its full stop."""
        revoked, done = self.outcomes["revoked"], self.outcomes["done"]
        every = f"{counted(self.total, 'device')} {verb('are', self.total)}"
        if self.total in (revoked, done) and not self.begun.left:
            all_of_them = f"{'' if self.total == 1 else 'all '}{every} {'revoked' if revoked else 'done'}"
            return "; ".join([all_of_them, *self.lacks])
        first = "revoked" if revoked else "done"
        left = {name: number for name, number in self.outcomes.items() if number and name != first}
        rest = "".join(f", {number:,} {name}" for name, number in left.items())
        if self.begun.left:
            rest += f"; a revoke was begun and has {self.begun.left:,} left"
        return "; ".join([f"{self.outcomes[first]:,} of {every} {first}{rest}", *self.lacks])

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do: every device is done, was left alone, or was taken back."""
        left = self.outcomes["open"] or self.outcomes["failed"] or self.begun.left or self.lacks
        return not left

    @property
    def is_good(self) -> bool | None:
        """Whether it is well: no where something is left to do, None where that is said and some is taken back."""
        return (None if self.outcomes["revoked"] else True) if self.is_finished else False


def outcome_of(entry: Entry) -> str:
    """Return ``done``, ``failed``, ``skipped``, ``revoked``, or ``open`` for a device that is still under way."""
    return entry.outcome or ("done" if entry.state is State.DONE else "open")


def state_of(entry: Entry) -> str:
    """Return the state that reports show for a device."""
    return _SHOWN.get(entry.outcome or "", entry.state.name)


def summarise(reader: Reader, folder: RunFolder) -> Summary:
    """Work out a run's summary. Only entries that failed or were skipped are read one by one.

    Args:
        reader: The run's ledger.
        folder: The run's folder; its last part is the run's name.
    """
    meta = reader.meta()
    at = Counter(reader.counts())
    total = at.total()
    failures, failed_at = _grouped(reader.entries("outcome = 'failed'"))
    skips, skipped_at = _grouped(reader.entries("outcome = 'skipped'"))
    revoked_at = Counter(_revoked_at(reader))
    done = at[State.DONE] - failed_at[State.DONE] - skipped_at[State.DONE] - revoked_at[State.DONE]
    failed, skipped, revoked = failed_at.total(), skipped_at.total(), revoked_at.total()
    return Summary(
        run=printable(folder.root.resolve().name),
        folder=folder,
        processes=recall(reader),
        account=printable(meta.get("account", "")),
        region=printable(meta.get("Region", "")),
        key_type=printable(meta.get("key type", "")),
        key_types=reader.key_types(),
        endpoint=printable(meta.get("endpoint", "")),
        quotas=_quotas(meta),
        total=total,
        with_csr=reader.count("json_extract(description, '$.csr') IS NOT NULL"),
        states={state.name: at[state] - failed_at[state] - revoked_at[state] for state in State}
        | {FAILED: failed, REVOKED: revoked},
        outcomes={
            "done": done,
            "failed": failed,
            "skipped": skipped,
            "open": total - done - failed - skipped - revoked,
            "revoked": revoked,
        },
        failures=failures,
        skips=skips,
        pace=pace_of(reader),
        origins=tuple(
            replace(origin, run=printable(origin.run), folder=printable(origin.folder, 4096))
            for origin in reader.origins()
        ),
        revoked_at=_moment(reader.last_revoked()),
        begun=begun(reader),
        lacks=tuple(printable(line) for line in meta.get(LACKS, "").splitlines()[:_MOST_LACKS]),
        issued=sum(number for state, number in at.items() if state >= State.ISSUED),
    )


def _moment(text: str | None) -> datetime | None:
    """Return an instant, or None where there is none, or nothing that a thingmill wrote."""
    try:
        found = datetime.fromisoformat(text or "")
        return None if found.tzinfo is None else found.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def _revoked_at(reader: Reader) -> dict[State, int]:
    """Return how many devices were taken back by the state they had reached."""
    if not reader.outcomes()["revoked"]:
        return {}
    return {state: reader.count(f"outcome = 'revoked' AND state = {state:d}") for state in State}


def _quotas(meta: Mapping[str, str]) -> dict[str, Grant]:
    try:
        grants: dict[str, dict[str, Any]] = json.loads(meta.get("quotas", "{}"))
        return {
            printable(api): Grant(float(number(grant["rate"])), printable(grant["source"]))
            for api, grant in sorted(grants.items())
        }
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return {}  # no thingmill wrote this, and nothing depends on it


def _grouped(entries: Iterable[Entry]) -> tuple[tuple[Group, ...], Counter[State]]:
    """Return the groups of entries that have an error, and how many of the entries are in each state."""
    first: dict[str, Entry] = {}
    examples: dict[str, list[str]] = {}
    numbers: Counter[str] = Counter()
    states: Counter[State] = Counter()
    for entry in entries:
        code = entry.error.code if entry.error else ""
        if code not in first and len(first) >= _MOST_CAUSES:
            code = OTHERS
        first.setdefault(code, entry)
        numbers[code] += 1
        states[entry.state] += 1
        things = examples.setdefault(code, [])
        if len(things) < _EXAMPLES:
            things.append(printable(entry.device.thing_name))
    groups = [
        Group(
            code=printable(code),
            count=numbers[code],
            things=tuple(examples[code]),
            message=printable(entry.error.message) if entry.error else "",
            advice=printable(entry.error.advice) if entry.error else "",
        )
        for code, entry in first.items()
    ]
    return tuple(sorted(groups, key=lambda group: (-group.count, group.code))), states
