"""The reports of several runs as one: parts of a manifest, or lines that each had a manifest of their own.

Runs are read and not changed. What is put together is a ledger for reports (``ledger.joint``), from which the same
reports are written as from any other.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline import files, privacy, report
from pipeline.begun import begun
from pipeline.binding import LACKS, PART, refuse_merged
from pipeline.counting import counted, verb
from pipeline.errors import UsageError
from pipeline.layout import RunFolder
from pipeline.ledger import EXAMPLES, Joint, live_ledger
from pipeline.lock import RunLock
from pipeline.part import Part
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pipeline.ledger import Listed, Overlap, Reader

__all__ = ["Merged", "Overlaps", "merge"]

_NAMED = 5
"""Parts that are named of those that are missing."""

_SHARED = ("account", "Region", "endpoint", "key type")
"""What runs are bound to that a report names, one after the other where they differ."""


@dataclass(slots=True)
class Overlaps:
    """Devices that two runs have.

    Attributes:
        number: How many they are.
        doubled: To how many of them each of the runs has given a certificate.
        examples: The first of them, those that are doubled before the others.
    """

    number: int = 0
    doubled: int = 0
    examples: list[Overlap] = field(default_factory=list)

    def count(self, overlaps: Iterable[Overlap]) -> None:
        """Count some, and keep the first of them to be named."""
        for overlap in overlaps:
            self.number += 1
            self.doubled += overlap.doubled
            self.examples.append(overlap)
            if len(self.examples) > 2 * EXAMPLES:
                self._trim()
        self._trim()

    def _trim(self) -> None:
        self.examples.sort(key=lambda overlap: not overlap.doubled)
        del self.examples[EXAMPLES:]


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of putting runs together.

    Attributes:
        summary: What the reports say of all of them.
        runs: Their names.
        missing: The parts of the manifest that are of none of them, as ``K/N``.
        overlaps: Devices that two of them have.
        gaps: Devices of the manifest that none of them has.
        strangers: Devices that one of them has and the manifest has not.
        revoking: How many devices are left of a revoke that was begun, by the run.
    """

    summary: report.Summary
    runs: tuple[str, ...]
    missing: tuple[str, ...]
    overlaps: Overlaps
    gaps: Listed
    strangers: Listed
    revoking: Mapping[str, int]

    @property
    def is_whole(self) -> bool:
        """Whether every device is settled, each where it belongs, and nothing is missing or being taken back.

        Settled is also one that was left alone or taken back, as in a run of its own: that was meant.
        """
        found = self.missing or self.overlaps.doubled or self.gaps.number or self.strangers.number
        return not found and not self.revoking and self.summary.is_finished


def merge(runs: Sequence[Path], into: Path, roster: Path | None, *, of_one_part: bool = False) -> Merged:
    """Put the ledgers of runs together, and write the reports of them all.

    Args:
        runs: Their folders.
        into: The folder of the reports, made where there is none.
        roster: The roster of the manifest that they are held against, or None.
        of_one_part: They are all of one part of the manifest, so that no other is missing.

    Raises:
        UsageError: A run is named twice, or is itself put together.
        RunFolderError: A folder is not what it should be, or a process has the run.
        DiskError: The disk refused.
    """
    _see_that_each_is_another(runs, into)
    for run in runs:
        _see_that_its_name_can_be_written(run)
    names = _told_apart(runs)
    metas, revoking = [], {}
    for run, name in zip(runs, names, strict=True):
        privacy.check_run(run)
        with _held(run) as reader:
            metas.append(reader.meta())
            refuse_merged(metas[-1], run)
            if left := begun(reader).left:
                revoking[printable(name)] = left
    folder = RunFolder(into)
    files.folder_above(into)
    privacy.check_above(into)
    files.private_folder(into)
    parts, overlaps = [meta.get(PART, "") for meta in metas], Overlaps()
    with RunLock(folder.lock):
        with Joint(folder.ledger, roster) as joint:
            for run, name, meta in zip(runs, names, metas, strict=True):
                place = os.path.relpath(run.resolve(), into.resolve())
                sharded = meta.get("sharded") == str(True)
                with _held(run) as reader:
                    overlaps.count(joint.take(name, place, reader, sharded=sharded))
            strangers, gaps = joint.strangers(), joint.fill_gaps()
            joint.put_in_order(by_line=roster is not None or _are_of_one(parts))
            missing = () if of_one_part else _missing(parts)
            lacks = list(_lacks(missing, strangers.number, revoking))
            joint.note(_shared(metas) | ({LACKS: "\n".join(lacks)} if lacks else {}))
        with closing(live_ledger(folder.ledger)) as reader:
            summary = report.write_all(reader, folder)
    return Merged(summary, tuple(map(printable, names)), missing, overlaps, gaps, strangers, revoking)


def _lacks(missing: Sequence[str], strangers: int, revoking: Mapping[str, int]) -> Iterator[str]:
    """Yield why the reports are not whole though every device in them may be settled."""
    if number := len(missing):
        more = f" and {number - _NAMED:,} more" if number > _NAMED else ""
        yield f"{counted(number, 'part')} {verb('are', number)} missing: {', '.join(missing[:_NAMED])}{more}"
    if strangers:
        yield f"{counted(strangers, 'device')} {verb('are', strangers)} not in the manifest"
    if number := len(revoking):
        yield f"{counted(number, 'run')} {verb('are', number)} being revoked"


def _told_apart(runs: Sequence[Path]) -> list[str]:
    """Return what runs are called: their names, with their folders where two have one name."""
    places = [run.resolve() for run in runs]
    times = Counter(place.name for place in places)
    return [place.name if times[place.name] == 1 else str(place) for place in places]


def _see_that_its_name_can_be_written(run: Path) -> None:
    """See that a run's folder can be named in a ledger and in reports, whose text is UTF-8."""
    place = str(run.resolve())
    try:
        place.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the name of {printable(place, 4096)} is not UTF-8", advice="give the folder another one"
        ) from error


@contextmanager
def _held(run: Path) -> Iterator[Reader]:
    """Read a run that nobody works on meanwhile; one at a time, since there may be thousands."""
    with RunLock(run / ".lock"), closing(live_ledger(run / "ledger.db")) as reader:
        yield reader


def _see_that_each_is_another(runs: Sequence[Path], into: Path) -> None:
    places = Counter(run.resolve() for run in runs)
    for place, times in places.items():
        if times > 1:
            raise UsageError(f"the run {printable(place.name)} is named twice", advice="name each run once")
    if into.resolve() in places:
        raise UsageError(
            f"{printable(str(into))} is one of the runs",
            advice="choose another folder for the reports of all of them with --name",
        )


def _missing(parts: Sequence[str]) -> tuple[str, ...]:
    """Return the parts that are of no run; none where the runs are not all parts of one division."""
    if not _are_of_one(parts):
        return ()
    found = {Part.of(part) for part in parts}
    number = next(iter(found)).parts
    return tuple(str(part) for part in (Part(k, number) for k in range(1, number + 1)) if part not in found)


def _are_of_one(parts: Sequence[str]) -> bool:
    """Whether runs are parts of one division of a manifest."""
    try:
        return len({Part.of(part).parts for part in parts}) == 1
    except UsageError:
        return False


def _shared(metas: Sequence[dict[str, str]]) -> dict[str, str]:
    shared = {}
    for name in _SHARED:
        values = dict.fromkeys(meta[name] for meta in metas if name in meta)
        if values:
            shared[name] = ", ".join(values)
    quotas = {meta.get("quotas", "") for meta in metas}
    return shared | ({"quotas": quotas.pop()} if len(quotas) == 1 else {})
