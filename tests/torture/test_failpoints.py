"""A process killed at every place that it passes: the run goes on from there, one certificate for each device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline import failpoints
from tests.support.awsiot import Drop
from tests.support.thorough import sampled
from tests.torture.checker import judge
from tests.torture.scene import Scene

if TYPE_CHECKING:
    from pathlib import Path

FLEET = [f"Own{number:02}" for number in range(6)]
"""Devices that keep their keys: workers only write their bundles, all else is passed by the coordinator."""

CREATED = len(FLEET) + 3
"""Files that the coordinator of such a run writes: one to try the disk, a CSR for each device, two summaries."""

PREFLIGHT = 4
"""Calls before the first device: who we are, the endpoint, the group, the policy."""

HITS: dict[str, tuple[int, ...]] = {
    "file.create": (1, CREATED),
    "file.written": (2, CREATED // 2),
    "file.synced": (1, CREATED),
    "key.receipt": (2, len(FLEET)),
    "ledger.commit": (1, 2, 7, 12),
    "ledger.committed": (1, 2, 7, 12),
    "call.before": (1, len(FLEET) * 5 + PREFLIGHT),
    "call.after": (2, len(FLEET) * 2),
    "certificate.before": (1, len(FLEET)),
    "certificate.after": (1, 2, len(FLEET) // 2, len(FLEET)),
    "report.before": (1,),
    "reconcile.adopt": (1, 2),
}
"""At which hits the coordinator is killed: among the first, the second, one in the middle and the last. What lies
before a failpoint and what lies after it take turns here; ``tests.torture.long`` leaves none out."""

USUAL = {
    "file.written",
    *("ledger.commit", "ledger.committed"),
    *("certificate.before", "call.after", "certificate.after"),
    "reconcile.adopt",
}
"""Around what must not come apart: a file and its name, a state and its commit, a request and its answer. Of these
the last hit is tried every time."""

WORKER_HITS: dict[str, tuple[int, ...]] = {
    "file.create": (1,),
    "file.synced": (3,),
    "key.durable": (1, 3),
    "key.receipt": (2,),
    "bundle.rename": (1, 5),
    "bundle.renamed": (1, 3),
}

USUAL_OF_WORKERS = {"key.durable", "bundle.rename", "bundle.renamed"}
"""Where a key and a bundle have their names: the last hit of these is tried every time."""


def _cases(hits: dict[str, tuple[int, ...]]) -> list[tuple[str, int]]:
    return [(name, nth) for name, numbers in hits.items() for nth in numbers]


def test_no_failpoint_is_left_out() -> None:
    """Each failpoint kills a coordinator or a worker in these tests."""
    assert HITS.keys() | WORKER_HITS.keys() == set(failpoints.NAMES)


@pytest.mark.parametrize(
    ("name", "nth"),
    sampled(_cases(HITS), lambda case: case[0] in USUAL and case[1] == HITS[case[0]][-1]),
)
def test_a_coordinator_killed_at_any_place_resumes(tmp_path: Path, name: str, nth: int) -> None:
    """A run that dies at this hit ends, when it is resumed, with one certificate for each device."""
    with Scene(tmp_path, (), FLEET) as scene:
        if name == "reconcile.adopt":
            scene.aws.run(
                lambda double: double.faults.script("CreateCertificateFromCsr", Drop(after=True), times=3)
            )
        first = scene.run(f"{name}:{nth}")
        assert first.killed, (first.code, first.err)
        scene.finish()
        judge(scene)


@pytest.mark.parametrize(
    ("name", "nth"),
    sampled(_cases(WORKER_HITS), lambda case: case[0] in USUAL_OF_WORKERS and case[1] == WORKER_HITS[case[0]][-1]),
)
def test_a_killed_worker_is_replaced_or_ends_the_run_in_order(tmp_path: Path, name: str, nth: int) -> None:
    """Workers that die never hang a run nor crash it: it is done, or says so and can be resumed."""
    with Scene(tmp_path, [f"Made{number:02}" for number in range(8)]) as scene:
        ended = scene.run(f"{name}:{nth}")
        assert ended.code in {0, 1} or ended.killed, (ended.code, ended.err)
        assert "Traceback" not in ended.err
        if ended.code == 1:
            assert "the worker processes die again and again" in ended.err
        scene.finish()
        judge(scene)
