"""A rotated run killed at any place: one new certificate beside each old one, and no new one taken for old."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pipeline.device import State
from pipeline.ledger import live_ledger
from tests.retire.rotated import give_old
from tests.support.awsiot import Hang
from tests.support.thorough import sampled
from tests.torture.scene import POLICY, Scene

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.ledger import Entry

HELD, FRESH = ["held-0", "held-1"], ["fresh-0"]


def entries(scene: Scene) -> dict[str, Entry]:
    with closing(live_ledger(scene.root / "ledger.db")) as reader:
        return {entry.device.thing_name: entry for entry in reader.entries()}


@pytest.mark.parametrize(
    "failpoints",
    sampled(
        [
            *(f"call.after:{number}" for number in (6, 9, 12, 14, 16)),
            "certificate.before:1",
            "certificate.after:2",
            *(f"ledger.commit:{number}" for number in (5, 9, 13)),
            *(f"ledger.committed:{number}" for number in (7, 11)),
        ],
        lambda case: case in {"certificate.after:2", "ledger.commit:9", "ledger.committed:11"},
    ),
)
def test_a_killed_rotation_keeps_the_old_ones_and_nothing_else(tmp_path: Path, failpoints: str) -> None:
    """Resumed, each thing has its old certificate and one new one, and the ledger names the old one alone."""
    with Scene(tmp_path, [*HELD, *FRESH]) as scene:
        old = scene.aws.run(lambda double: {name: give_old(double.account, name, policy=POLICY) for name in HELD})
        ended = scene.run(failpoints, "--existing", "rotate")
        assert ended.killed, (ended.code, ended.err)
        ended = scene.run(None, "--existing", "rotate")
        assert ended.code == 0, ended.err
        found = entries(scene)
        principals = scene.aws.run(
            lambda double: {name: set(thing.principals) for name, thing in double.account.registry.things.items()}
        )
        for name, entry in found.items():
            before = {old[name]} if name in old else set()
            assert entry.certificate is not None
            assert set(entry.old_certificates) == before
            assert principals[name] == before | {entry.certificate.arn}
            assert entry.thing_created == (name in FRESH)
        assert scene.certificates() == len(HELD) + len(HELD + FRESH)


def test_a_thing_made_just_before_a_kill_is_known_as_made(tmp_path: Path) -> None:
    """Killed between CreateThing and the commit that says so, a resumed run still knows the thing as its own."""
    with Scene(tmp_path, FRESH) as scene:
        scene.aws.run(lambda double: double.faults.script("CreateThing", Hang(after=True)))
        process = scene.start()
        scene.aws.until(lambda double: set(double.account.registry.things) == set(FRESH))
        process.kill()
        assert scene.end(process).killed
        assert entries(scene)[FRESH[0]].state is State.LISTED
        scene.finish()
        assert entries(scene)[FRESH[0]].thing_created
        assert scene.aws.run(lambda double: double.journal.count("CreateThing")) == 1
