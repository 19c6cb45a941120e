"""How a run's standing is shown: a page, one line, and both again while it goes on."""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipeline.device import State
from pipeline.errors import DeviceError
from pipeline.layout import RunFolder
from pipeline.lock import RunLock
from pipeline.progress.status import one_line, page, watch_lines, watch_page
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
    """Return what stands behind each label of a page."""
    return {label.strip(): number for line in lines.splitlines() for label, _, number in [line.rpartition(" ")]}


def test_a_page_says_all_of_it(folder: RunFolder) -> None:
    """Each step in words, each outcome and cause, what is in doubt, account and quota are on the page."""
    shown = page(look(folder.root))
    numbers = counted(shown)
    assert numbers.keys() >= {*STEPS.values(), "failed", "skipped", "revoked"}
    assert (numbers["done"], numbers["certificate asked for"], numbers["in doubt"]) == ("1", "1", "1")
    assert (numbers["certificates issued"], numbers["devices"]) == ("1", "3")
    assert numbers["failed with WrongKey:"] == "1"
    assert "123456789012, eu-central-1, ec-p256 keys" in shown
    assert "CreateCertificateFromCsr 15/s (account)" in shown
    assert "stopped, no process has it" in shown


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
