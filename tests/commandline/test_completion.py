"""What a shell is offered for a word that is begun: commands, options, runs, formats, and nothing that acts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pipeline.bundles.names import FORMAT_NAMES, LISTING_NAMES
from pipeline.settings import Existing, KeyType
from tests.support.tools import needs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.foreign.stage import Desk


def offered(desk: Desk, monkeypatch: pytest.MonkeyPatch, line: str) -> list[str]:
    """Return what bash would be told for a command line whose last word is being written."""
    words = line.split(" ")
    monkeypatch.setenv("_THINGMILL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "\n".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    done = desk.call()
    assert (done.code, done.err) == (0, "")
    return done.out.split("\n")[:-1]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("thingmill re", ["report", "reconcile", "revoke", "retire"]),
        ("thingmill run --e", ["--endpoint-url", "--existing", "--encrypt-to"]),
        ("thingmill run m.csv --key ", list(KeyType)),
        ("thingmill run m.csv --existing ", list(Existing)),
        ("thingmill run m.csv --format ", [*FORMAT_NAMES, *LISTING_NAMES]),
        ("thingmill export line-7 --format esp", ["esp-nvs", "esp-secure-cert"]),
        ("thingmill iam revoke re", ["reconcile", "retire"]),
        ("thingmill run ", [""]),
        ("thingmill status ", ["line-7", "line-8"]),
        ("thingmill verify --remote line-7", ["line-7"]),
        ("thingmill revoke --output elsewhere ", ["demo"]),
        ("thingmill report --output nowhere ", [""]),
    ],
)
def test_words_are_offered(desk: Desk, monkeypatch: pytest.MonkeyPatch, line: str, expected: list[str]) -> None:
    """Commands, options, values and runs are offered as they begin; a path, as of a manifest, is the shell's."""
    assert offered(desk, monkeypatch, line) == expected


@pytest.mark.parametrize("command", ["status", "verify", "report", "export", "reconcile", "revoke", "retire"])
def test_every_command_on_a_run_offers_runs_that_are_harmless(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """A folder without a ledger is no run, and one whose name a shell could take amiss is left out."""
    assert offered(desk, monkeypatch, f"thingmill {command} ") == ["line-7", "line-8"]


@pytest.mark.parametrize("columns", ["40", "200"])
@pytest.mark.parametrize("shell", ["fish", "zsh"])
def test_help_beside_a_word_stays_on_its_line(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, shell: str, columns: str
) -> None:
    """Other shells get a short line of help with each option, never folded: fish would offer the rest."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("_THINGMILL_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "thingmill run --")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    lines = desk.call().out.splitlines()
    first = "--" if shell == "fish" else '"--'
    assert len(lines) > 20
    assert max(map(len, lines)) < 120
    assert all(line.removeprefix("_arguments '*: :((").startswith(first) for line in lines)
    assert any("Devices per second at most." in line for line in lines)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_shown(desk: Desk, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    """--show-completion prints a script for the shell that it is called in."""
    monkeypatch.setattr("shellingham.detect_shell", lambda: (shell, f"/bin/{shell}"))
    done = desk.call("--show-completion")
    assert done.code == 0
    assert f"_THINGMILL_COMPLETE=complete_{shell}" in done.out


@pytest.mark.parametrize("option", ["--show-completion", "--install-completion"])
def test_a_shell_that_is_not_served_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    """In another shell, or none, the complaint names the shells that are served, and nothing is written."""
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("tcsh", "/bin/tcsh"))
    monkeypatch.setenv("HOME", str(desk.home))
    done = desk.call(option)
    assert done.code == 2
    assert "the shell here is tcsh; run it in one of bash, zsh, fish" in " ".join(
        done.err.replace("│", " ").split()
    )
    assert sorted(path.name for path in desk.home.iterdir()) == ["elsewhere", "output"]


def test_bash_completes_with_the_script(desk: Desk, tmp_path: Path) -> None:
    """A real bash with the script that is printed fills in commands, runs and formats, and runs nothing else."""
    needs("bash")
    program = tmp_path / "bin" / "thingmill"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pipeline "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(_THINGMILL_COMPLETE=source_bash thingmill)"
        complete -p thingmill
        try() {
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
            _thingmill_completion thingmill
            printf '%s;' "${COMPREPLY[@]}"
            echo
        }
        try thingmill chec
        try thingmill status ""
        try thingmill export line-7 --format b
    """
    env = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "complete -o default -F _thingmill_completion thingmill",
        "check;",
        "line-7;line-8;",
        "bulk-results;",
    ]
    assert not (tmp_path / "pwned").exists()
    assert desk.run_folder.parent.is_dir()


def test_completing_loads_nothing_heavy(desk: Desk) -> None:
    """A run is offered without AWS, cryptography, an event loop or a database."""
    look = (
        "import sys\nfrom pipeline.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    asked = {
        "_THINGMILL_COMPLETE": "complete_bash",
        "COMP_WORDS": "thingmill export line-7 --format ",
        "COMP_CWORD": "4",
    }
    done = subprocess.run(
        [sys.executable, "-c", look],
        cwd=desk.home,
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "greengrass" in done.stdout.split()
    loaded = set(re.split(r"\s+", done.stderr))
    assert loaded.isdisjoint({"aiobotocore", "anyio", "asyncio", "botocore", "cryptography", "sqlite3"})
