"""What is said to a command line that cannot be meant: what was wrong, and what may have been meant instead."""

from __future__ import annotations

import os
import pty
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.nearest import did_you_mean
from pipeline.cli.saying import ask_to_go_on
from pipeline.errors import ThingmillError
from pipeline.text import hidden_at

if TYPE_CHECKING:
    from tests.foreign.stage import Desk


def words(text: str) -> str:
    """Return what is said without the frame that it stands in."""
    return " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize(
    ("line", "said", "meant"),
    [
        ("veriy line-7", "No such command 'veriy'", "Did you mean 'verify'?"),
        ("status line-7 --wach", "No such option: --wach", "Did you mean --watch?"),
        ("--versoin", "No such option: --versoin", "Did you mean --version?"),
        ("status lien-7", "there is no run lien-7", "did you mean line-7"),
        ("status elsewhere/dmeo", "there is no run elsewhere/dmeo", "give a run's folder, or its name in output"),
        ("status output/line-9", "the folder output/line-9 is no run", "did you mean line-8 or line-7?"),
        ("status zzz", "there is no run zzz", "(see --output): there are line-7, line-8"),
        ("status dmeo --output elsewhere", "there is no run dmeo", "did you mean demo?"),
        ("export line-7 --format pksc12", "there is no format pksc12", "did you mean pkcs12?"),
        ("iam revok", "revok calls nothing on AWS", "did you mean revoke?"),
        ("run m.csv --key rsa-4069", "Invalid value for '--key': 'rsa-4069' is not one of", "'rsa-4096'"),
        ("run m.csv --rate nan", "--rate nan is no pace", "give devices per second"),
        ("plan m.csv --rate 0", "--rate 0 is no pace", "give devices per second"),
        ("run m.csv --workers many", "--workers many is no number of processes", "from 1 to 1024"),
    ],
)
def test_a_slip_is_named_with_what_may_have_been_meant(desk: Desk, line: str, said: str, meant: str) -> None:
    """A command, option, run or format that there is not is named, and the nearest one that there is."""
    done = desk.call(*line.split(" "))
    assert done.code == 2
    assert done.out == ""
    assert said in words(done.err)
    assert meant in words(done.err)


def test_a_name_that_is_too_long_is_no_run(desk: Desk) -> None:
    """What no file system takes as a name is told like any other name that is no run's."""
    done = desk.call("status", "x" * 5000)
    assert done.code == 2
    assert "there is no run xxx" in done.err


def test_names_that_act_on_a_terminal_are_not_suggested(desk: Desk) -> None:
    """A folder whose name holds an escape sequence is not offered as what was meant, however near it is."""
    done = desk.call("status", "esc]52;c;x")
    assert "did you mean" not in done.err
    assert "\x1b" not in done.err


@given(st.text(), st.lists(st.text(max_size=20), max_size=10))
def test_a_suggestion_is_one_of_those_that_are_known(word: str, known: list[str]) -> None:
    """What is suggested is known and shows as it is; where nothing is near nothing is suggested."""
    said = did_you_mean(word, known)
    if said:
        names = said.removeprefix("did you mean ").removesuffix("?")
        assert any(names.startswith(name) for name in known)
        assert hidden_at(said) is None
    if word in known and hidden_at(word) is None and word:
        assert said.startswith(f"did you mean {word}")


@pytest.mark.parametrize(
    ("answer", "code", "said"), [("n\n", 2, "the answer was no"), ("\x04", 130, "nothing was done")]
)
def test_an_answer_other_than_yes_does_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, said: str
) -> None:
    """Asked whether to go on, no ends with 2 and the end of input with 130, each saying how to be asked again."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer.encode())
        with os.fdopen(theirs, "r") as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            with pytest.raises(ThingmillError) as refused:
                ask_to_go_on()
    finally:
        os.close(ours)
    assert refused.value.exit_code == code
    assert said in refused.value.message
    assert "again" in refused.value.advice
    assert desk.home.is_dir()
