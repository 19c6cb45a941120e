"""A real terminal (a pseudo terminal, pty(7)): nothing reaches it but text and what rich draws with."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.command import DEVICE_POLICY, KEYS, Workplace
from tests.foreign.hostile import CORPUS, strays_on_a_terminal
from tests.foreign.stage import FAST
from tests.support.awsiot import DoubleThread, Fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.awsiot import AwsIotDouble

NAME = "lot\x1b]52;c;ZXZpbA==\x07\u202e[bold red].csv"


def shown_on_a_terminal(workplace: Workplace, *words: str) -> tuple[int, bytes]:
    """Run a command on a terminal of 100 columns and return its exit code and every byte that it wrote there."""
    ours, theirs = pty.openpty()
    env = workplace.env | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    env.pop("NO_COLOR", None)
    try:
        process = subprocess.Popen(workplace.command(*words), stdin=theirs, stdout=theirs, stderr=theirs, env=env)
        os.close(theirs)
        pieces = []
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # nobody has the other side any more (EIO)
                break
            if not piece:
                break
            pieces.append(piece)
        return process.wait(timeout=60), b"".join(pieces)
    finally:
        os.close(ours)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A workplace whose AWS refuses a thing in each hostile text's words."""
    refused = {f"bad-{number:02}": text for number, text in enumerate(CORPUS.values())}

    def script(running: AwsIotDouble) -> None:
        for number, (thing, text) in enumerate(refused.items()):
            fault = Fail(f"Refused{number:03}Exception", status=400, message=text)
            running.faults.script("CreateThing", fault, subject=thing, times=None)

    with DoubleThread() as double:
        double.run(script)
        home = tmp_path_factory.mktemp("terminal")
        place = Workplace(home / "output", KEYS | {"AWS_ENDPOINT_URL": double.url})
        place.manifest(NAME, "id\none\n" + "".join(f"{thing}\n" for thing in refused))
        place.manifest("bad.csv", "id,cn\n" + "".join(f"pump 1,{text!r}\n" for text in CORPUS.values()))
        yield place


def test_a_run_shows_hostile_answers_in_place_and_does_nothing_else(workplace: Workplace) -> None:
    """Bars are drawn, causes are named, and not one sequence of a message or a file name gets through."""
    manifest = str(workplace.output.parent / NAME)
    words = ("run", manifest, "--name", "lot", "--key", "ec-p256", "--policy", DEVICE_POLICY, "--yes", *FAST)
    code, shown = shown_on_a_terminal(workplace, *words)
    assert code == 1
    assert b"\x1b[?25l" in shown  # it is a picture, not a log
    assert b"]52;c;ZXZpbA==" in shown
    assert b"[bold red]x[/bold red]" in shown
    assert strays_on_a_terminal(shown) == []
    assert set(re.findall(rb"\x1b\][^;]*", shown)) == {b"\x1b]8"}


@pytest.mark.parametrize(
    "words",
    [
        ("status", "lot"),
        ("status", "lot", "--watch"),
        ("verify", "lot"),
        ("check", "bad.csv"),
        ("check", NAME),
        ("run", "bad.csv", "--key", CORPUS["a link"]),
        ("run", CORPUS["sets the clipboard"] + ".csv"),
    ],
    ids=str,
)
def test_nothing_that_is_shown_afterwards_acts(workplace: Workplace, words: tuple[str, ...]) -> None:
    """What looks at a run, or refuses a manifest or an option, draws no more than text and its own colours."""
    home = workplace.output.parent
    asked = [str(home / word) if word.endswith(".csv") else word for word in words]
    _, shown = shown_on_a_terminal(workplace, *asked)
    assert shown
    assert strays_on_a_terminal(shown) == []


def test_the_judge_of_terminals_sees_what_acts() -> None:
    """Each text of the corpus that does something to a terminal is seen as such when it gets there as it is."""
    plain = {
        "markup",
        "emoji codes",
        "calls a program",
        "sums",
        "plus",
        "minus",
        "full width",
        "behind a semicolon",
    }
    plain |= {"closes its cell", "markup of a page", "a format", "paths", "half a pair", "marks first"}
    plain |= {"after a return"}  # a terminal driver sends that itself
    for name, text in CORPUS.items():
        if name not in plain:
            assert strays_on_a_terminal(text.encode("utf-8", "replace")) != [], name
