"""The published schemas are schemas, describe each key, and name what the code names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from typer.main import get_command

from pipeline import published
from pipeline.cli.app import app, load_commands
from pipeline.device import State
from pipeline.export import Fate as FateOfExport
from pipeline.report.pace import STAGES
from pipeline.retire import Fate as FateOfRetire
from pipeline.revocation import DELETABLE
from pipeline.verify import Check
from tests.published.schemas import COMMANDS, EVENTS, KINDS, SUMMARY, nodes, schema

if TYPE_CHECKING:
    from collections.abc import Iterator

BOTH = pytest.mark.parametrize("name", [EVENTS, SUMMARY])
OUTCOMES = {"done", "failed", "skipped", "open", "revoked"}
MAY_BE_MISSING = {"Condition"} | {check.value for check in Check} | set(DELETABLE)
"""Keys that are there only where there is something to say."""


def properties(name: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each key that a schema describes: the place of its object, the key, and what is said of it."""
    for path, node in nodes(schema(name)):
        if isinstance(node.get("properties"), dict) and not path.endswith("/properties"):
            for key, said in node["properties"].items():
                yield path, key, said


def keys_of(kind: str, key: str) -> set[str]:
    """Return the keys of an object in an object of events."""
    found: dict[str, Any] = schema(EVENTS)["$defs"][kind]["properties"][key]["properties"]
    return set(found)


def enum_of(kind: str, key: str) -> list[Any]:
    found: list[Any] = schema(EVENTS)["$defs"][kind]["properties"][key]["enum"]
    return found


@BOTH
def test_it_is_a_schema(name: str) -> None:
    """Each is valid by its own dialect, which is draft 2020-12."""
    Draft202012Validator.check_schema(schema(name))
    assert schema(name)["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


@BOTH
def test_its_name_is_its_files(name: str) -> None:
    """What refers to a schema by name finds it beside itself, and no host is asked."""
    assert schema(name)["$id"] == name
    for path, node in nodes(schema(name)):
        target = node.get("$ref")
        if isinstance(target, str):
            file, _, place = target.partition("#/$defs/")
            assert file in {"", SUMMARY}, path
            assert not place or place in schema(file or name)["$defs"], path


@BOTH
def test_every_key_is_described(name: str) -> None:
    """Each key has a sentence, and says what its value is."""
    for path, key, said in properties(name):
        assert said["description"].endswith("."), f"{path}: {key}"
        assert said.keys() & {"type", "const", "enum", "$ref", "anyOf"}, f"{path}: {key}"
    for kind, said in schema(name)["$defs"].items():
        assert said["description"].endswith("."), kind


@BOTH
def test_a_number_says_its_unit(name: str) -> None:
    """What is no number of things is seconds, or so many a second."""
    for path, key, said in properties(name):
        if "number" in str(said.get("type")):
            assert "second" in said["description"].lower(), f"{path}: {key}"


@BOTH
def test_every_key_is_always_there(name: str) -> None:
    """But for few that are named here, no key is left out: what is not known is null or empty."""
    for path, node in nodes(schema(name)):
        if isinstance(node.get("properties"), dict) and not path.endswith("/properties"):
            assert set(node["properties"]) - set(node.get("required", ())) <= MAY_BE_MISSING, path


@BOTH
def test_unknown_keys_may_come(name: str) -> None:
    """Only objects whose keys are the names of states and the like are closed; all others may get new keys."""
    sets = {
        frozenset(node["properties"])
        for _, node in nodes(schema(name))
        if node.get("additionalProperties") is False
    }
    reached = {state.name for state in STAGES}
    states = {state.name for state in State}
    assert sets <= {
        frozenset(names)
        for names in (
            states,
            states | {"FAILED", "REVOKED"},
            reached,
            OUTCOMES,
            {"station", "device"},
            {check.value for check in Check},
            set(DELETABLE),
        )
    }


@BOTH
def test_the_version_is_the_codes(name: str) -> None:
    """Wherever a version is described it is the one that is printed."""
    versions = [said["const"] for _, key, said in properties(name) if key == "version"]
    assert versions
    assert set(versions) == {published.VERSION}


def test_each_command_with_json_has_its_lines() -> None:
    """There are lines for every command that takes --json, and for no other."""
    load_commands()
    commands = vars(get_command(app))["commands"]
    options = {name: {word for each in command.params for word in each.opts} for name, command in commands.items()}
    assert sorted(COMMANDS) == sorted(name for name, words in options.items() if "--json" in words)


def test_nothing_is_described_that_no_command_prints() -> None:
    """Every entry of $defs is one that a command's lines lead to."""
    for name in (EVENTS, SUMMARY):
        named = {str(node["$ref"]).rpartition("/")[2] for _, node in nodes(schema(name)) if "$ref" in node}
        assert named - {SUMMARY} == set(schema(name)["$defs"])
    assert [each["$ref"].rpartition("/")[2] for each in schema(EVENTS)["anyOf"]] == [
        f"{command}_lines" for command in COMMANDS
    ]


def test_states_are_the_codes() -> None:
    """States that are told, and the numbers of their steps, are those of the code."""
    reached = [state for state in State if state not in (State.LISTED, State.REQUESTED)]
    assert enum_of("run_reached", "state") == [state.name for state in reached]
    assert enum_of("run_reached", "step") == [int(state) for state in reached]
    assert keys_of("status", "states") == {state.name for state in State}
    document = schema(SUMMARY)["properties"]
    assert list(document["states"]["properties"]) == [*(state.name for state in State), "FAILED", "REVOKED"]
    assert set(document["outcomes"]["properties"]) == OUTCOMES == set(enum_of("verify_device", "outcome"))
    assert list(document["pace"]["properties"]["stages"]["properties"]) == [state.name for state in STAGES]


def test_what_becomes_of_devices_is_the_codes() -> None:
    """Checks, fates and kinds of what a run made are those of the code."""
    checks = [check.value for check in Check]
    assert enum_of("problem", "check") == checks
    assert keys_of("verify_summary", "checks") == set(checks)
    assert schema(EVENTS)["$defs"]["fates"]["additionalProperties"]["enum"] == [
        fate.value for fate in FateOfExport
    ]
    assert [kind for kind in KINDS["retire"] if kind.removeprefix("retire_") in list(FateOfRetire)] == [
        f"retire_{fate}" for fate in FateOfRetire
    ]
    assert keys_of("revoke_plan", "made") == set(DELETABLE)
