"""How a run's standing is shown: a page, one line, and both again while it goes on."""

from __future__ import annotations

import io
import os
import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline.begun import begin
from pipeline.device import State
from pipeline.errors import DeviceError
from pipeline.layout import RunFolder
from pipeline.ledger import Ledger
from pipeline.lock import RunLock
from pipeline.progress.status import one_line, page, watch_lines, watch_page
from pipeline.scope import Scope
from pipeline.status import STEPS, look
from tests.report.ledgers import Fate, device, ledger_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.status import Status

WRONG = DeviceError(5, "WrongKey", "why")
QUOTAS = '{"CreateCertificateFromCsr": {"rate": 15.0, "source": "account"}}'


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "fleet")
    fates = [
        Fate(device("one")),
        Fate(device("two"), State.REQUESTED),
        Fate(device("three"), State.KEYED, failed=WRONG),
    ]
    meta = {"account": "123456789012", "Region": "eu-central-1", "key type": "ec-p256", "quotas": QUOTAS}
    ledger_of(folder, fates, meta).close()
    return folder


@contextmanager
def running(folder: RunFolder) -> Iterator[Status]:
    with RunLock(folder.lock):
        yield look(folder.root)


def counted(lines: str) -> dict[str, str]:
    """Return what stands behind each label of a page, where that ends with the name that reports have for it."""
    rows = [line.rpartition(" ") for line in lines.splitlines()]
    return {" ".join(label.split()): number for label, _, number in rows}


def test_a_page_says_all_of_it(folder: RunFolder) -> None:
    """Each step in words, each outcome and cause, what is in doubt, account and quota are on the page."""
    shown = page(look(folder.root))
    numbers = counted(shown)
    steps = {f"{words} {state.name}" for state, words in STEPS.items()}
    assert numbers.keys() >= {*steps, "failed FAILED", "skipped", "revoked REVOKED"}
    assert (numbers["done DONE"], numbers["certificate asked for REQUESTED"], numbers["in doubt"]) == ("1",) * 3
    assert (numbers["certificates issued"], numbers["devices"]) == ("1", "3")
    assert numbers["failed with WrongKey:"] == "1"
    assert "123456789012, eu-central-1, ec-p256 keys" in shown
    assert "CreateCertificateFromCsr 15/s (account)" in shown
    assert "stopped, no process has it" in shown
    assert re.search(r"^last change at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", shown, re.MULTILINE)


def test_a_page_names_the_keys_of_rows_too(folder: RunFolder) -> None:
    """Where rows have keys of another type than the run, each type is there with how many devices have it."""
    status = look(folder.root)
    shown = page(replace(status, key_types={"rsa-4096": 1_000, "ec-p256": 2}))
    assert "123456789012, eu-central-1, keys: 1,000 rsa-4096, 2 ec-p256" in shown
    assert "keys: 3 rsa-4096" in page(replace(status, key_types={"rsa-4096": 3}))


def test_a_page_names_the_process_and_the_pace(folder: RunFolder) -> None:
    """While the run goes on, who has it and how fast it goes are on the page."""
    with running(folder) as status:
        shown = page(replace(status, window=10.0, standing=replace(status.standing, finished=5)))
    assert f"running, process {os.getpid()} has it" in shown
    assert "5 done in the last 10 s, 0.5/s, about 0:02 left" in shown


def test_a_run_with_failures_has_ended_and_is_not_finished(tmp_path: Path) -> None:
    """The first line has how many failed, where to look, and how to go on."""
    folder = RunFolder(tmp_path / "few")
    ledger_of(folder, [Fate(device("one")), Fate(device("two"), State.KEYED, failed=WRONG)]).close()
    ended = "few: ended, 1 failed; mend the cause, then run it again"
    assert page(look(folder.root)).splitlines()[0] == ended
    for name in ("failed.jsonl", "failed.csv"):
        (folder.root / name).touch()
        assert page(look(folder.root)).splitlines()[0] == ended.replace("failed;", f"failed: see {name};")
    assert one_line(look(folder.root)).startswith("few: ended, 1 of 2 done, 1 failed")


def begin_revoke(folder: RunFolder, scope: Scope, *seqs: int) -> None:
    """Begin a revoke that takes back some devices and does not come to its end."""

    async def work() -> None:
        async with Ledger(folder.ledger) as ledger:
            await begin(ledger, scope)
            for seq in seqs:
                await ledger.revoked(seq)

    anyio.run(work)


def test_a_revoke_that_was_stopped_is_told(tmp_path: Path) -> None:
    """Though all devices are done, the run is not finished: what is left, what ends it, what keeps the rest."""
    folder = RunFolder(tmp_path / "cells")
    ledger_of(folder, [Fate(device("one")), Fate(device("two")), Fate(device("three"))]).close()
    begin_revoke(folder, Scope(devices=("one", "two"), purge=True), 1)
    status = look(folder.root)
    assert (status.phase, status.to_json()["revoke_left"]) == ("stopped", 1)
    assert page(status).splitlines()[:4] == [
        "cells: stopped, no process has it",
        "a revoke was begun: 1 of 3 devices left to take back",
        "to end it, run thingmill revoke cells --device one --device two --purge with the options of the account",
        "to keep what it has not begun with, run thingmill revoke cells --begun-only",
    ]
    assert "1 left of a revoke" in one_line(status)


def test_a_revoke_that_goes_on_has_a_pace_of_its_own(tmp_path: Path) -> None:
    """While a process has the run, the pace is that of devices taken back, and so is the time left."""
    folder = RunFolder(tmp_path / "cells")
    ledger_of(folder, [Fate(device("one")), Fate(device("two")), Fate(device("three"))]).close()
    begin_revoke(folder, Scope(), 1)
    with running(folder) as status:
        shown = page(replace(status, window=10.0))
    assert "a revoke was begun: 2 of 3 devices left to take back" in shown
    assert "thingmill revoke" not in shown
    assert "1 taken back in the last 10 s, 0.1/s, about 0:20 left" in shown


def test_a_run_that_never_began_has_a_page(tmp_path: Path) -> None:
    """A ledger without devices or account is told as that."""
    folder = RunFolder(tmp_path / "empty")
    ledger_of(folder, []).close()
    assert "not bound to an account yet" in page(look(folder.root))


def test_lines_are_printed_for_changes_only(folder: RunFolder) -> None:
    """A look that finds nothing new prints nothing, and the first look that finds nobody at work is the last."""
    with running(folder) as before:
        pass
    after = look(folder.root)
    further = replace(before, standing=replace(before.standing, issued=2), looked_at=before.looked_at + 1)
    waits: list[float] = []
    looks = iter([before, replace(before, looked_at=before.looked_at + 1), further, after])
    stream = io.StringIO()
    watch_lines(lambda: next(looks), stream, one_line, waits.append)
    assert stream.getvalue().splitlines() == [one_line(before), one_line(further), one_line(after)]
    assert len(waits) == 3
    assert next(looks, None) is None


def test_a_terminal_gets_the_page_until_the_run_ends(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is drawn in place each second, and the last one, of the run that ended, stays."""
    monkeypatch.setenv("TERM", "xterm")
    with running(folder) as before:
        pass
    looks = iter([before, before, look(folder.root)])
    waits: list[float] = []
    stream = Terminal()
    watch_page(lambda: next(looks), stream, waits.append)
    assert waits == [1.0, 1.0]
    first, last = stream.getvalue().find(": running"), stream.getvalue().find(": stopped")
    assert 0 <= first < last


def test_without_a_terminal_a_line_takes_the_place_of_the_page(folder: RunFolder) -> None:
    """Watched into a file, a run that nobody has is one line without an escape sequence."""
    stream = io.StringIO()
    watch_page(lambda: look(folder.root), stream)
    assert stream.getvalue() == ("fleet: stopped, 1 of 3 done, 1 failed, 1 in doubt, 1 certificate issued\n")
