"""The tutorial followed without an account, as it says that one can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.documents import scenery
from tests.documents.blocks import blocks_of
from tests.documents.play import play
from tests.documents.scenery import Scene
from tests.documents.stage import Stage
from tests.project.sources import ROOT
from tests.support.tools import needs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.documents.cloud import Cloud

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
POLICY = "thingmill policy --account 000000000000 --region us-east-1 > pump.json"
ALIKE = ("check", "cut", "diff", "echo", "ls", "openssl", "verify")
"""What prints the same against the embedded AWS IoT: neither account, Region nor quotas are in it."""


def without_an_account() -> str:
    """Return the tutorial with its commands changed as its section of that name says."""
    lines = TUTORIAL.replace("thingmill policy --profile factory > pump.json", POLICY).splitlines()
    instead = {True: "--offline", False: "--local"}
    return "\n".join(
        line.replace("--profile factory", instead["thingmill plan" in line]) if "thingmill" in line else line
        for line in lines
    )


def test_the_page_says_how() -> None:
    """What is put in place of the profile is told in one section, to the letter."""
    section = " ".join(TUTORIAL.partition("### Without an account\n")[2].partition("\n## ")[0].split())
    assert f"`{POLICY}`" in section
    assert "`--local` in place of `--profile factory`" in section
    assert "`thingmill plan` takes `--offline`" in section


@pytest.mark.thorough
def test_it_can_be_followed_without_an_account(aws: Cloud, tmp_path: Path) -> None:
    """Every command ends as on an account, and what can print the same does."""
    needs("openssl")
    text = without_an_account()
    [begun, _] = [
        command.text for block in blocks_of(text) for command in block.commands if " run plant" in command.text
    ]
    scene = Scene(
        prepare=scenery.pilot,
        before={begun: scenery.sample},
        figures={str(scenery.SAMPLE): "1,000", str(scenery.SAMPLE - 3): "997"},
    )
    with Stage(tmp_path, aws) as stage:
        complaints = play(text, stage, scene)
    told = [
        complaint
        for complaint in complaints
        if "shown otherwise" not in complaint.splitlines()[0]
        or complaint.split(": ", 1)[1].removeprefix("thingmill ").startswith(ALIKE)
    ]
    assert not told, "\n".join(told)
