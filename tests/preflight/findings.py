"""What a look at an account and a machine finds, by what was looked at; and what a run tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.progress.sinks import Silence

if TYPE_CHECKING:
    from typing import Any

    from pipeline.preflight import Finding
    from tests.core.mill import Mill

__all__ = ["assert_untouched", "found", "told"]


async def found(mill: Mill, manifest: str = "one\n", **options: Any) -> dict[str, Finding]:  # noqa: ANN401  as Mill.prepare
    """Look as ``run --dry-run`` does, and return the findings by what they are about."""
    run = mill.prepare(manifest, **options)
    with run.roster:
        account = await run.look()
    return {finding.about: finding for finding in account.findings}


async def told(mill: Mill, manifest: str = "one\n", **options: Any) -> list[str]:  # noqa: ANN401  as Mill.prepare
    """Run to the end, and return the notes that a person gets."""
    notes: list[str] = []

    class Listener(Silence):
        def note(self, message: str) -> None:
            notes.append(message)

    run = mill.prepare(manifest, **options)
    run.meter.listeners.append(Listener())
    await mill.finish(run)
    assert run.summary is not None
    assert run.summary.outcomes["failed"] == 0
    return notes


def assert_untouched(mill: Mill) -> None:
    """Hold that no device was begun, no key was made, and nothing is left on the disk."""
    assert mill.double.journal.mutating_calls == 0
    assert not mill.folder.root.exists()
    assert not list(mill.home.glob(".*"))
