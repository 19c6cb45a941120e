"""What commands really print, held against the published schemas; and that these refuse what is not so."""

from __future__ import annotations

import copy
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.layout import RunFolder
from pipeline.ledger import live_ledger
from pipeline.published import VERSION
from pipeline.report import Usage, document, summarise
from pipeline.status import look
from tests.published.schemas import COMMANDS, EVENTS, KINDS, SUMMARY, lines_of, schema, takes, validator
from tests.report.ledgers import Fate, Worked, device, ledger_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.published.streams import Stream

pytestmark = pytest.mark.xdist_group("published")

WRONG = [[None]]
"""Of a type that no key has."""


def kind_of(command: str, line: object) -> str:
    """Return which of a command's kinds an object is, also as they are published; it is exactly one."""
    kinds = [kind for kind in KINDS[command] if takes(f"{EVENTS}#/$defs/{kind}", line, strict=False)]
    assert len(kinds) == 1, line
    return str(kinds[0])


def by_kind(told: dict[str, Stream]) -> dict[str, Any]:
    """Return an object of each kind that was printed."""
    return {kind_of(stream.command, line): line for stream in told.values() for line in stream.lines}


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each object in a value, its own first."""
    if isinstance(value, dict):
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield from places(each, (*path, name))


def at(value: Any, path: tuple[str | int, ...]) -> dict[str, Any]:  # noqa: ANN401  any JSON
    for name in path:
        value = value[name]
    found: dict[str, Any] = value
    return found


def test_every_line_is_as_it_is_published(told: dict[str, Stream]) -> None:
    """Each object of each stream has the keys that are described, each of its type, and no other."""
    for name, stream in told.items():
        assert stream.lines, name
        for line in stream.lines:
            for strict in (True, False):
                validator(lines_of(stream.command), strict=strict).validate(line)
                assert takes(EVENTS, line, strict=False)


def test_every_summary_is_as_it_is_published(told: dict[str, Stream]) -> None:
    """So is summary.json, after a failure, a resume and a revoke."""
    documents = [document for stream in told.values() for document in stream.documents]
    assert any(document["failures"] for document in documents)
    assert any(document["outcomes"]["revoked"] for document in documents)
    for each in documents:
        for strict in (True, False):
            validator(SUMMARY, strict=strict).validate(each)


STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("killed", [True, False])
def test_a_run_of_which_little_is_known_is_as_it_is_published(tmp_path: Path, killed: bool) -> None:
    """Before a run is bound to an account, and after a kill, null stands for what is not known."""
    folder = RunFolder(tmp_path)
    worked = Worked(Usage(started=STARTED), killed=killed)
    reader = ledger_of(folder, [Fate(device("one"))], processes=[worked])
    found = json.loads(json.dumps(document(summarise(reader, folder))))
    reader.close()
    assert None in (found["account"], found["processes"][0]["identity"])
    validator(SUMMARY).validate(found)


@pytest.mark.parametrize(
    ("quotas", "usage"),
    [
        ('{"A": {"rate": 1e999, "source": "x"}}', '{"issued": 1e30}'),
        ('{"A": {"rate": NaN, "source": "x"}}', '{"done": -1}'),
        ('{"A": {"rate": -1, "source": "x"}}', '{"exit_code": 99999999999999999999}'),
        ('{"A": {"rate": "1", "source": "x"}}', '{"throttles": {"A": -1}}'),
    ],
)
def test_numbers_that_json_has_not_are_left_out(tmp_path: Path, quotas: str, usage: str) -> None:
    """A ledger that somebody else wrote brings no infinity, and no number below 0 or without end."""
    folder = RunFolder(tmp_path)
    ledger_of(folder, [Fate(device("one"))], {"quotas": quotas}, [Worked(Usage(started=STARTED))]).close()
    with closing(sqlite3.connect(folder.ledger, isolation_level=None)) as connection:
        connection.execute("UPDATE processes SET usage = ?", (usage,))
    reader = live_ledger(folder.ledger)
    found = document(summarise(reader, folder))
    reader.close()
    status = look(tmp_path).to_json()
    assert found["quotas"] == status["quotas"] == {}
    validator(SUMMARY).validate(json.loads(json.dumps(found, allow_nan=False)))
    validator(lines_of("status")).validate(json.loads(json.dumps(status, allow_nan=False)))


def test_every_kind_was_met(told: dict[str, Stream]) -> None:
    """Nothing under $defs is dead: each kind was printed, and what they are made of was in some of them."""
    met = set(by_kind(told))
    assert met == {kind for command in COMMANDS for kind in KINDS[command]}
    values = [(stream.command, line) for stream in told.values() for line in stream.lines]
    for name in (EVENTS, SUMMARY):
        for kind in schema(name)["$defs"].keys() - met - {f"{command}_lines" for command in COMMANDS}:
            instead = {f"{name}#/$defs/{kind}": False}
            without = {command: validator(lines_of(command), instead=instead) for command in COMMANDS}
            assert not all(without[command].is_valid(line) for command, line in values), kind


def test_each_stream_says_its_version(told: dict[str, Stream]) -> None:
    """The first object or the last one has it, but for policies, which are AWS's and have AWS's."""
    for name, stream in told.items():
        if stream.command != "policy":
            assert VERSION in (stream.lines[0].get("version"), stream.lines[-1].get("version")), name


def test_a_key_that_is_missing_is_refused(told: dict[str, Stream]) -> None:
    """No object of any kind is taken without one of its keys, also as it is published."""
    for kind, line in by_kind(told).items():
        for key in line:
            assert not takes(f"{EVENTS}#/$defs/{kind}", {k: v for k, v in line.items() if k != key}, strict=False)


def test_a_value_of_another_type_is_refused(told: dict[str, Stream]) -> None:
    """Wherever a value stands in an object of any kind, another type is refused, also as it is published."""
    for kind, line in by_kind(told).items():
        for path in places(line):
            for key in at(line, path):
                if "Condition" in (key, *path):
                    continue  # AWS's language
                broken = copy.deepcopy(line)
                at(broken, path)[key] = WRONG
                assert not takes(f"{EVENTS}#/$defs/{kind}", broken, strict=False), (kind, *path, key)


def test_an_unknown_key_is_refused_by_the_tests_alone(told: dict[str, Stream]) -> None:
    """A key that is not described fails here, wherever it stands, and disturbs nobody who uses the schema."""
    for kind, line in by_kind(told).items():
        for path in places(line):
            if "Condition" in path:
                continue
            broken = copy.deepcopy(line)
            at(broken, path)["surprise"] = WRONG
            assert not takes(f"{EVENTS}#/$defs/{kind}", broken), (kind, *path)
        assert takes(f"{EVENTS}#/$defs/{kind}", line | {"surprise": WRONG}, strict=False), kind


def test_events_of_a_run_come_in_their_order(told: dict[str, Stream]) -> None:
    """First begin, last the summary; a device's steps go up, and nothing comes after it failed or was skipped."""
    for stream in told.values():
        if stream.command != "run":
            continue
        events = [line["event"] for line in stream.lines]
        assert events[0] == "begin"
        assert events.count("begin") == 1
        assert "summary" not in events[:-1]
        steps: dict[str, list[int]] = {}
        for line in stream.lines:
            if "thing" in line:
                done = steps.setdefault(line["thing"], [])
                done.append(line["step"] if line["event"] == "reached" else 99)
        assert all(done == sorted(set(done)) for done in steps.values())


def test_what_comes_first_and_last(told: dict[str, Stream]) -> None:
    """Plans come first; sums come last."""
    for stream in told.values():
        events = [line.get("event") for line in stream.lines]
        assert "plan" not in events[1:]
        assert "summary" not in events[:-1]
        if stream.command in ("revoke", "retire"):
            assert events[0] == "plan"
        if stream.command in ("check", "verify", "export", "report"):
            assert events[-1] == "summary"
