"""Hostile answers of AWS: what a run, and all that tells of it afterwards, shows of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.foreign.hostile import CORPUS, HUGE, acting_in, cells_of, formulas_in, objects_of
from tests.foreign.stage import FAST, Stage
from tests.support.awsiot import DoubleThread, Fail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.foreign.stage import Ended

MESSAGES = {f"bad-{number:02}": text for number, text in enumerate([*CORPUS.values(), HUGE])}
GOOD = ("one", "-two", "three")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Ended, Ended]]:
    """A run in which each thing of ``MESSAGES`` is refused in its words: with events, and again with lines."""
    with DoubleThread() as double, pytest.MonkeyPatch.context() as patch:
        stage = Stage(tmp_path_factory.mktemp("told"), double, patch)
        stage.write("lot.txt", "\n".join([*GOOD, *MESSAGES]))
        stage.refuse("CreateThing", MESSAGES)
        yield stage, stage.provision("lot.txt", "--json"), stage.provision("lot.txt")


def files(stage: Stage, suffix: str) -> list[Path]:
    found = [path for path in stage.run_folder.iterdir() if path.suffix == suffix]
    assert found
    return found


def test_events_are_json_that_does_nothing(told: tuple[Stage, Ended, Ended]) -> None:
    """With --json each line is an object of pure ASCII whose texts are harmless when they are printed."""
    ended = told[1]
    events = objects_of(ended.out)
    assert ended.code == 1
    failed = {event["thing"]: event for event in events if event["event"] == "failed"}
    assert failed.keys() == MESSAGES.keys()
    for event in failed.values():
        assert acting_in(event["message"]) == []
        assert len(event["message"]) < 6000


def test_lines_do_nothing(told: tuple[Stage, Ended, Ended]) -> None:
    """Progress, failures and the final table show what hostile text would do instead of doing it."""
    ended = told[2]
    assert ended.code == 1
    assert "]52;c;ZXZpbA==" in ended.err
    assert "[bold red]x[/bold red]" in ended.err
    assert ":bomb:" in ended.err
    assert acting_in(ended.err) == []
    assert acting_in(ended.out) == []
    assert "\nthingmill: all 12" not in ended.err


def test_tables_have_no_formula(told: tuple[Stage, Ended, Ended]) -> None:
    """No cell of summary.csv begins a formula, but for names that begin with ``-``, which are kept as they are."""
    for path in files(told[0], ".csv"):
        content = path.read_bytes()
        assert acting_in(content.decode("utf-8")) == []
        for row in cells_of(content):
            assert set(formulas_in(row)) <= {"-two"}


def test_the_summary_is_json_that_does_nothing(told: tuple[Stage, Ended, Ended]) -> None:
    """summary.json is JSON in UTF-8 and has not one character that acts."""
    for path in files(told[0], ".json"):
        text = path.read_text(encoding="utf-8")
        assert json.loads(text)["outcomes"]["failed"] == len(MESSAGES)
        assert acting_in(text) == []
        assert len(text) < 100_000


def test_the_audit_trail_is_ascii(told: tuple[Stage, Ended, Ended]) -> None:
    """Each line of the trail is an object of pure ASCII, whatever was answered."""
    objects_of((told[0].run_folder / "audit.jsonl").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "words", [["status", "lot"], ["status", "lot", "--json"], ["verify", "lot"], ["verify", "lot", "--json"]]
)
def test_whoever_looks_at_it_is_safe(told: tuple[Stage, Ended, Ended], words: list[str]) -> None:
    """``status`` and ``verify`` tell of the same failures, harmlessly, as lines and as JSON."""
    ended = told[0].call(*words)
    assert ended.err == ""
    assert acting_in(ended.out) == []
    assert len(ended.out) < 100_000
    if "--json" in words:
        assert objects_of(ended.out)


def test_verify_writes_a_table_without_formulas(told: tuple[Stage, Ended, Ended]) -> None:
    """The table of ``verify --csv`` has every device, and its messages begin no formula."""
    stage = told[0]
    assert stage.call("verify", "lot", "--csv", "found.csv").code == 1
    rows = cells_of((stage.home / "found.csv").read_bytes())
    assert {row[0] for row in rows[1:]} == {*GOOD, *MESSAGES}
    for row in rows:
        assert acting_in("".join(row)) == []
        assert set(formulas_in(row)) <= {"-two"}


def test_what_stays_on_the_account_is_said_harmlessly(stage: Stage) -> None:
    """``revoke`` says in AWS's words why something stays, as lines and as events, and none of them acts."""
    names = list(MESSAGES)
    stage.write("lot.txt", "\n".join(names))
    assert stage.provision().code == 0
    stage.refuse("DetachPolicy", MESSAGES)
    plan = stage.call("revoke", "lot", "--dry-run", "--json", *FAST)
    lines = stage.call("revoke", "lot", "--yes", *FAST)
    events = stage.call("revoke", "lot", "--yes", "--json", *FAST)
    assert (plan.code, lines.code, events.code) == (0, 1, 1)
    assert lines.err.count("stays: ") == len(names)
    assert acting_in(lines.err + lines.out) == []
    assert acting_in(events.err) == []
    stays = [event for event in objects_of(events.out) if event["event"] == "stays"]
    assert len(stays) == len(names)
    assert acting_in("".join(event["reason"] for event in stays)) == []
    assert objects_of(plan.out)


@pytest.mark.parametrize("text", ["".join(CORPUS.values()), HUGE], ids=["all", "huge"])
@pytest.mark.parametrize("operation", ["DescribeEndpoint", "GetPolicy"])
def test_what_stops_a_run_is_said_harmlessly(stage: Stage, operation: str, text: str) -> None:
    """An answer that ends the run before its first device is quoted in a sentence, and acts on nothing."""
    stage.write("lot.txt", "one\n")
    fault = Fail("AccessDeniedException", message=text)
    stage.double.run(lambda running: running.faults.script(operation, fault, times=None))
    ended = stage.provision()
    assert ended.code == 3
    assert len(ended.err) < 10_000
    assert acting_in(ended.err + ended.out) == []
