"""The map of permissions is what the subcommands do: no call is missing from it, and none is in it for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.aws.quotas import DEFAULTS
from pipeline.permissions import NEEDS, calls, operations
from tests.permissions.stage import SCENARIOS, Stage
from tests.project.test_documents import OPTIONS
from tests.support.awsiot import DoubleThread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with DoubleThread() as double:
        yield Stage(tmp_path, double)


@pytest.mark.parametrize("command", SCENARIOS)
def test_a_subcommand_calls_what_the_map_says(stage: Stage, command: str) -> None:
    """Brought through all that can happen, a subcommand makes each call of its row, and no other."""
    assert SCENARIOS[command](stage) == calls([command])


def test_the_map_and_the_budgets_know_the_same_operations() -> None:
    """Whatever has a budget, hence each call of AWS IoT and STS there can be, is called by some subcommand."""
    assert operations(NEEDS) == DEFAULTS.keys()


def test_every_row_of_the_map_is_tried() -> None:
    """No subcommand is in the map without a scenario, and each of them exists."""
    assert NEEDS.keys() == SCENARIOS.keys() <= OPTIONS.keys()


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "fleet.csv"),
        ("status", "fleet"),
        ("verify", "fleet"),
        ("export", "fleet", "--format", "pem"),
        ("policy", "--account", "123456789012", "--region", "eu-west-1"),
        ("iam",),
        ("plan", "fleet.csv", "--key", "ec-p256", "--offline"),
    ],
    ids=" ".join,
)
def test_what_needs_no_account_asks_none(stage: Stage, arguments: tuple[str, ...]) -> None:
    """Reading, looking and printing make no call at all where nothing is to be asked."""
    manifest = stage.write("fleet.csv", "thing_name\npump\n")
    if "fleet" in arguments:
        stage.does("run", manifest)
    assert stage.does(*arguments) == set()
