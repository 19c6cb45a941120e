"""The command line as a process that is watched: under strace, with other code put into it, with an open umask."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from pipeline.aws.quotas import DEFAULTS
from tests.e2e.command import KEYS
from tests.hygiene.calls import COMMAND
from tests.hygiene.keymaterial import KeyMaterial
from tests.hygiene.trace import Trace
from tests.support.tools import needs

__all__ = ["POLICY", "Workshop", "needs_strace"]

ROOT = Path(__file__).parents[2]
POLICY = "device"

# Undumpable processes keep their memory, and so the words of their calls, from a tracer that is not root
# (ptrace(2)). PR_GET_DUMPABLE in place of PR_SET_DUMPABLE changes nothing.
_READABLE = "from pipeline import hardening\nhardening._PR_SET_DUMPABLE = 3\n"


@cache
def _may_trace() -> bool:
    return (
        subprocess.run(["strace", "-f", "-o", os.devnull, "true"], capture_output=True, check=False).returncode
        == 0
    )


def needs_strace() -> None:
    """Let a test go on only where strace is there and the system lets it trace; containers may not (ptrace(2))."""
    needs("strace")
    if not _may_trace():
        # Not a failure, whatever is required: no program that could be installed is missing.
        pytest.skip("strace is not allowed to trace here")


@dataclass
class Workshop:
    """A folder for manifests and runs, and the address of a double with the policy ``device``.

    Attributes:
        home: The folder; commands run in it.
        url: Where the double listens.
        injected: Python that every process of a command runs first, its workers too.
        environment: What is added to the environment.
    """

    home: Path
    url: str
    injected: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def output(self) -> Path:
        return self.home / "output"

    @property
    def root(self) -> Path:
        """The run's folder."""
        return self.output / "line"

    def manifest(self, text: str) -> str:
        path = self.home / "line.txt"
        path.write_text(text, encoding="ascii")
        return str(path)

    def run_words(self, *options: str) -> list[str]:
        """Return the words of ``thingmill run`` on the manifest ``line.txt``."""
        quotas = [f"--quota={api}=50000" for api in DEFAULTS]
        words = ["run", "line.txt", "--key", "ec-p256", "--workers", "1", "--yes", "--policy", POLICY]
        return [*words, *quotas, "--output", str(self.output), *options]

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "pipeline", *words]

    def start(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Start a command with umask 0; the caller ends it."""
        extra = self.home / "injected"
        extra.mkdir(exist_ok=True)
        (extra / "sitecustomize.py").write_text(self.injected, encoding="utf-8")
        fixed = {
            "PYTHONPATH": os.pathsep.join((str(extra), str(ROOT))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_ENDPOINT_URL": self.url,
            "THINGMILL_SETTLING_SECONDS": "0.2",
            "NO_COLOR": "1",
        }
        return subprocess.Popen(
            command,
            cwd=self.home,
            env=os.environ | KEYS | fixed | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            umask=0,
        )

    def run(self, command: list[str], expect: int | None = 0) -> bytes:
        """Run a command to its end, and return everything that it said."""
        with self.start(command) as process:
            try:
                out, err = process.communicate(timeout=100)
            except BaseException:
                process.kill()
                raise
        assert expect is None or process.returncode == expect, (process.returncode, out, err)
        return out + err

    def traced(self, *words: str, expect: int = 0) -> Trace:
        """Run a command under strace, and return what its processes did with files."""
        told = self.home / "strace.out"
        if os.geteuid():
            self.injected = _READABLE + self.injected
        self.run([*COMMAND, "-o", str(told), *self.command(*words)], expect)
        with told.open(encoding="ascii") as lines:
            return Trace(lines, str(self.home))

    def keys(self) -> list[bytes]:
        """Return the private keys that the run has made, as PEM."""
        return [path.read_bytes() for path in sorted(self.root.rglob("*.key")) if path.parent.name == path.stem]

    def material(self) -> KeyMaterial:
        return KeyMaterial(self.keys())
