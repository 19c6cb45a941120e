"""Devices that a run on another account or Region has already: what a manifest that was changed would do twice."""

from __future__ import annotations

import shlex
from contextlib import closing
from typing import TYPE_CHECKING

from pipeline.binding import JOINED_IN, MERGED, PART
from pipeline.errors import RunFolderError, ThingmillError
from pipeline.ledger import finished_ledger, live_ledger
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.ledger import Reader

__all__ = ["refuse_moved", "refuse_other_kind"]


def refuse_moved(joint: Path, roster: Path, runs: Mapping[str, int]) -> None:
    """See that no device goes to another account or Region than the one where a run has it.

    Args:
        joint: The folder whose name the runs' names begin with.
        roster: The roster of the whole manifest.
        runs: The numbers of the targets in it, by the names of the folders of their runs.

    Raises:
        RunFolderError: One does. Nothing was changed.
    """
    for ledger in sorted(joint.parent.glob(f"{joint.name}-*/ledger.db")):
        run = ledger.parent.name
        try:
            with closing(live_ledger(ledger)) as reader:
                moved = _moved(reader, joint.name, roster, runs.get(run))
        except ThingmillError:
            if run in runs:
                raise
            continue  # a folder that only looks like one of ours is none of our business
        if moved is not None:
            name = printable(moved, 128)
            command = f"thingmill revoke {shlex.quote(printable(run, 128))} --device {shlex.quote(name)}"
            raise RunFolderError(
                f"{name} is a device of the run {printable(run)}, and the manifest names another account or "
                "Region for it now",
                advice="give its row the profile and Region that it had, with the options of then; to have it "
                f"elsewhere, take it back first ({command}), and provision it in a run of its own (--name)",
            )


def _moved(reader: Reader, joint: str, roster: Path, target: int | None) -> str | None:
    """Return the first device of a run that the manifest has at another target, or None."""
    if target is None and reader.meta().get(JOINED_IN) != joint:
        return None
    reader.attach(roster)
    elsewhere = "1" if target is None else f"target <> {target:d}"
    # A run that the manifest has no target for any more may have been taken back, and its devices go on elsewhere.
    standing = "outcome IS NOT 'revoked'" if target is None else "1"
    condition = f"{standing} AND folded IN (SELECT folded FROM roster WHERE {elsewhere})"  # noqa: S608  ours
    found = next(reader.entries(condition), None)
    return None if found is None else found.device.thing_name


def refuse_other_kind(folder: Path, *, is_joint: bool) -> None:
    """See that a folder of joint reports is no run's own, and that of a run has no joint reports.

    Raises:
        RunFolderError: It is, or it has.
    """
    ledger = folder / "ledger.db"
    if not ledger.is_file():
        return
    reader = live_ledger(ledger) if is_joint else finished_ledger(ledger)
    if reader is None:  # killed over it: a run's own, since reports are put together in one go
        return
    with closing(reader):
        part = reader.meta().get(PART)
    if part is None or (part == MERGED) == is_joint:
        return
    where = printable(str(folder))
    if is_joint:
        raise RunFolderError(
            f"{where} is a run on one account and Region, and the manifest names several now",
            advice="put the devices of the others into a manifest of their own, or choose another name with "
            "--name and leave out those that this run has",
        )
    raise RunFolderError(
        f"{where} has the reports of runs on several accounts and Regions, and the manifest names one now",
        advice="put the rows back, or choose another name with --name and leave out those that the runs have",
    )
