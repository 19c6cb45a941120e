"""``merge`` of runs that were revoked, in part or not to the end, or left devices alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from pipeline.begun import begin
from pipeline.ledger import Ledger
from pipeline.scope import Scope
from tests.foreign.stage import FAST
from tests.parts.test_merge import call, merge

if TYPE_CHECKING:
    from tests.foreign.stage import Stage


def test_a_revoke_that_was_begun_keeps_it_from_being_whole(stage: Stage) -> None:
    """Devices that are being taken back are not done: the run and their number are told, and no command."""
    stage.write("a.txt", "one\ntwo\n")
    assert call(stage, "a.txt").code == 0

    async def work() -> None:
        async with Ledger(stage.home / "output" / "a" / "ledger.db") as ledger:
            await begin(ledger, Scope())
            await ledger.revoking(1)

    anyio.run(work)
    found = merge(stage, "a", "--name", "joint", code=1)
    assert (found["whole"], found["revoke_left"]) == (False, [{"run": "a", "devices": 2}])
    ended = stage.call("merge", "a", "--name", "joint")
    assert "a revoke of a was begun: 2 devices are left to take back" in ended.out
    page = (stage.home / "output" / "joint" / "report.html").read_text(encoding="utf-8")
    for told in (ended.out, page):
        assert "a revoke was begun and has 1 left" in told
        assert "thingmill revoke" not in told


def test_what_was_left_alone_or_revoked_is_settled(stage: Stage) -> None:
    """As in a run of its own nothing is left to do: the exit code is 0, and the first line has the numbers."""
    stage.write("a.txt", "one\ntwo\nthree\n")
    stage.write("b.txt", "one\nfour\n")
    assert call(stage, "a.txt").code == 0
    assert call(stage, "b.txt", "--existing", "skip").code == 0
    assert stage.call("revoke", "a", "--device", "two", "--yes", *FAST).code == 0
    assert stage.call("revoke", "a", "--device", "one", "--yes", *FAST).code == 0
    stage.write("all.txt", "one\ntwo\nthree\nfour\n")
    found = merge(stage, "a", "b", "--name", "both", "--manifest", "all.txt")
    outcomes = {name: number for name, number in found["summary"]["outcomes"].items() if number}
    assert (found["whole"], outcomes) == (True, {"done": 2, "skipped": 1, "revoked": 1})
    ended = stage.call("merge", "a", "b", "--name", "both", "--manifest", "all.txt")
    assert ended.out.splitlines()[0] == "both: 1 of 4 devices are revoked, 2 done, 1 skipped"
