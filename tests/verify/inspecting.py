"""A run verified, and what was found by device."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline.layout import RunFolder
from pipeline.ledger import live_ledger
from pipeline.verify import Checks, verify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.ledger import Entry
    from pipeline.verify import Remarks, Verdict

__all__ = ["NAMES", "OWN", "entry_of", "found", "keys_of_the_double", "told", "verify_now"]

NAMES = ("one", "two", "three")
OWN = "own"


@contextmanager
def keys_of_the_double() -> Iterator[None]:
    """Have keys that a double takes, for the length of the block: for fixtures that outlive a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        yield


async def verify_now(root: Path, checks: Checks | None = None) -> tuple[list[Verdict], Remarks]:
    """Verify a run, and return the verdicts in the order that they came in."""
    verdicts: list[Verdict] = []
    with closing(live_ledger(root / "ledger.db")) as reader:
        folder = RunFolder(root, reader.meta().get("sharded") == "True")
        remarks = await verify(reader, folder, checks or Checks(), verdicts.append)
    return verdicts, remarks


def found(root: Path, checks: Checks | None = None) -> dict[str | None, list[str]]:
    """Return the codes of what is wrong with each device, and under None with the run; without those in order."""
    codes: dict[str | None, list[str]] = {}
    for verdict in anyio.run(verify_now, root, checks)[0]:
        if not verdict.ok:
            codes.setdefault(verdict.thing_name, []).extend(finding.code for finding in verdict.findings)
    return codes


def told(root: Path) -> str:
    """Return all messages together."""
    verdicts, _ = anyio.run(verify_now, root)
    return "\n".join(finding.message for verdict in verdicts for finding in verdict.findings)


def entry_of(root: Path, name: str) -> Entry:
    """Return what the ledger says of a device."""
    with closing(live_ledger(root / "ledger.db")) as reader:
        [entry] = [entry for entry in reader.entries() if entry.device.thing_name == name]
    return entry
