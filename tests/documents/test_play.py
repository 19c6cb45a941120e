"""A document that says something else than what happens is found out."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.documents import scenery
from tests.documents.cloud import Cloud, Tenant
from tests.documents.play import play
from tests.documents.scenery import Scene
from tests.documents.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


PLAIN = Scene(prepare=scenery.nothing)


class Nowhere(Cloud):
    """No AWS at all, for commands that ask none."""

    def open_account(self) -> Tenant:
        return Tenant("000000000000", "nobody", "nothing")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    nowhere: Any = None
    cloud = Nowhere("http://127.0.0.1:9", 9, "", tmp_path / "aws", nowhere, nowhere, count())
    with Stage(tmp_path / "stage", cloud) as ready:
        yield ready


def complaints(stage: Stage, *lines: str, scene: Scene = PLAIN) -> list[str]:
    """Return the first lines of what is said against a document of one block."""
    text = "\n".join(("```", *lines, "```", ""))
    return [complaint.splitlines()[0] for complaint in play(text, stage, scene)]


def test_output_and_exit_codes_are_compared(stage: Stage) -> None:
    """Output that is not shown so is a complaint, and an exit code that nobody tells of; an echo of it tells."""
    assert complaints(stage, "$ echo one", "one", "$ printf 'one\\ntwo\\n'", "…", "two", "$ true") == []
    assert complaints(stage, "$ echo one", "two") == ["line 2: echo one: shown otherwise"]
    assert complaints(stage, "$ false") == ["line 2: false: exit code 1 and not 0"]
    assert complaints(stage, "$ false | cat") == ["line 2: false | cat: exit code 1 and not 0"]
    assert complaints(stage, "$ (exit 3)", "$ echo $?", "3") == []
    assert complaints(stage, "$ (exit 3)", "$ echo $?", "2") == ["line 3: echo $?: shown otherwise"]
    assert complaints(stage, "$ (exit 3)", scene=Scene(scenery.nothing, codes={"(exit 3)": 3})) == []


def test_messages_may_be_shown_beside_the_result(stage: Stage) -> None:
    """A block may show standard output alone, or both streams, and no part of them."""
    both = "$ echo out; echo err >&2"
    assert complaints(stage, both, "out") == []
    assert complaints(stage, both, "out", "err") == []
    assert complaints(stage, both, "err") != []


def test_a_block_is_one_shell(stage: Stage) -> None:
    """Folder and umask hold within a block and not beyond; exported variables hold on."""
    first = ("$ mkdir -p a/b; cd a/b; umask 077; export X=1", "$ umask; basename $PWD; echo $X", "0077", "b", "1")
    assert complaints(stage, *first) == []
    assert complaints(stage, "$ umask; basename $PWD; echo $X", "0022", "work", "1") == []


def test_questions_are_answered_at_a_terminal(stage: Stage) -> None:
    """Where an answer is shown there is a terminal and it is typed; the question has to be that one."""
    asks = "$ read -r -p 'Go on? [y/N]: ' said && echo it was $said"
    assert complaints(stage, asks, "Go on? [y/N]: y", "it was y") == []
    assert complaints(stage, asks, "Stop? [y/N]: y", "it was y") != []
    assert complaints(stage, "$ test -t 0 || echo nobody", "nobody") == []


def test_a_command_is_run_where_its_output_is_shown(stage: Stage) -> None:
    """One that is only named first, and shown with its output later, is run once."""
    assert (
        complaints(stage, "$ echo x >>a; cat a", "$ echo x >>a; cat a", "x", "$ echo y >>a", "$ cat a", "x", "y")
        == []
    )


def test_what_must_not_be_run_is_not(stage: Stage) -> None:
    """A program that would install or ask AWS is never begun, and has to be named with a reason."""
    assert complaints(stage, "$ pip install x; touch made") == [
        "line 2: pip install x; touch made: neither run nor in NOT_RUN"
    ]
    assert not (stage.root / "made").exists()


def test_a_scene_keeps_to_its_document(stage: Stage) -> None:
    """What a scene does before a command, or knows of one, is a complaint once no command is so any more."""

    def write(stage: Stage) -> None:
        stage.write("there", "is\n")

    scene = Scene(scenery.nothing, before={"cat there": write, "cat gone": write}, codes={"cat lost": 1})
    assert complaints(stage, "$ cat there", "is", scene=scene) == [
        "cat gone: no command is so any more",
        "cat lost: no command is so any more",
    ]


def test_a_sample_is_spared_and_counts_for_the_whole(stage: Stage) -> None:
    """Figures of a sample are read as the document's, and a command that is not usual is left to a whole stage."""
    scene = Scene(scenery.nothing, figures={"29": "1,000"}, usual=frozenset({"echo 29 x29 2.9"}))
    lines = ("$ echo 29 x29 2.9", "1,000 x29 2.9", "$ false")
    assert complaints(stage, *lines, scene=scene) == []
    stage.whole = True
    assert len(complaints(stage, *lines, scene=scene)) == 2
