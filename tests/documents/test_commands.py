"""Every command that the documents show, run as a reader would, and its output held against what they show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.documents.blocks import blocks_of, spans_of
from tests.documents.commandline import complaint, thingmill_lines
from tests.documents.play import play
from tests.documents.scenes import DOCUMENTS, NOT_RUN, PLACEHOLDERS, scene_of
from tests.documents.stage import Stage
from tests.project.sources import ROOT
from tests.support.tools import needs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.documents.cloud import Cloud

TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS}
SHOWN = {
    name: [command for block in blocks_of(text) for command in block.commands] for name, text in TEXTS.items()
}
WITH_COMMANDS = [
    name for name, commands in SHOWN.items() if any(command.text not in NOT_RUN for command in commands)
]
THOROUGH = (pytest.mark.thorough, pytest.mark.timeout(1200))
CASES = [
    *(pytest.param(name, False, id=name) for name in WITH_COMMANDS),
    # What is spared elsewhere: a thousand devices take minutes, and some pages repeat what others show.
    *(
        pytest.param(name, True, id=f"whole {name}", marks=THOROUGH)
        for name in WITH_COMMANDS
        if scene_of(name).is_sampled
    ),
]


@pytest.mark.parametrize(("name", "whole"), CASES)
def test_commands_do_what_the_document_says(name: str, whole: bool, aws: Cloud, tmp_path: Path) -> None:
    """Each command ends with the exit code that the document says, or 0, and prints what the document shows."""
    used = {word for command in SHOWN[name] for word in command.text.split()}
    needs(*sorted(used & {"age", "openssl"}))
    with Stage(tmp_path, aws, whole) as stage:
        complaints = play(TEXTS[name], stage, scene_of(name))
    assert not complaints, "\n".join([name, *complaints])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_option_is_misspelt(name: str) -> None:
    """Each call of thingmill, in a block or between backticks, has a subcommand and options that there are."""
    complaints = [
        f"{name}:{command.line}: {command.text}: {said}"
        for command in [*SHOWN[name], *spans_of(TEXTS[name], "thingmill")]
        for words in thingmill_lines(command.text)
        if (said := complaint(words))
    ]
    assert complaints == []


def test_what_is_not_run_is_still_shown() -> None:
    """Each command that is left out on purpose, and each placeholder, is in some document."""
    shown = {command.text for commands in SHOWN.values() for command in commands}
    assert sorted(NOT_RUN.keys() - shown) == []
    assert [word for word in PLACEHOLDERS if not any(word in text for text in shown)] == []
