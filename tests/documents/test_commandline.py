"""Calls of thingmill found in a shell's command, and held against the options that there are."""

from __future__ import annotations

import pytest

from tests.documents.commandline import complaint, thingmill_lines


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("thingmill iam run > iam.json", [["iam", "run"]]),
        ("thingmill status a | head -2; thingmill report a", [["status", "a"], ["report", "a"]]),
        (
            "thingmill run a.csv --pkcs12-password fd:3 3< <(pass show a)",
            [["run", "a.csv", "--pkcs12-password", "fd:3"]],
        ),
        ('thingmill run a.csv --encrypt-to "$(cat b.pub)"', [["run", "a.csv", "--encrypt-to", "WORD"]]),
        ("aws iam create-policy --policy-name thingmill --x", []),
        ("pip install thingmill", []),
    ],
)
def test_calls_are_found(text: str, found: list[list[str]]) -> None:
    """Redirections and other programs are left away, and so is the name where it is an argument."""
    assert thingmill_lines(text) == found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run line-7.csv --polcy device", "--polcy"),
        ("verify a b", "nothing takes b"),
        ("verfy a", "no command verfy"),
        ("run line-7.csv --policy", "--policy"),
        ("--verzion", "--verzion"),
    ],
)
def test_what_the_command_line_would_refuse_is_told(words: str, said: str) -> None:
    """A misspelt option or subcommand, an argument too many and an option without its value are named."""
    assert said in complaint(words.split())


@pytest.mark.parametrize(
    "words",
    [
        "--version",
        "COMMAND --help",
        "iam run revoke",
        "export RUN --format FORMAT --to DIR",
        "revoke --purge",
        "run -y",
    ],
)
def test_what_is_right_is_let_pass(words: str) -> None:
    """Placeholders may stand for values, and prose may leave arguments away."""
    assert complaint(words.split()) == ""
