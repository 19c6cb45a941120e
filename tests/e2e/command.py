"""The command line as a process of its own, and what is asked of what it leaves."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["DEVICE_POLICY", "KEYS", "MANIFESTS", "Workplace", "openssl", "snapshot"]

MANIFESTS = Path(__file__).parents[2] / "manifests"
DEVICE_POLICY = str(MANIFESTS / "device-policy.json")
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_DEFAULT_REGION": "eu-west-1",
}
"""Credentials and a Region, as the usual AWS chain finds them."""


@dataclass
class Workplace:
    """A folder for runs, and the command line to fill it.

    Attributes:
        output: What ``--output`` names.
        environment: What is added to the environment of every command.
    """

    output: Path
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        """Return the words of a command; ``--output`` is added where the command has it."""
        more = [] if arguments[0] in {"check", "--version", "--help"} else ["--output", str(self.output)]
        # What Python warns of, here or in a worker, ends the command.
        return [sys.executable, "-W", "error", "-m", "pipeline", *arguments, *more]

    @property
    def env(self) -> dict[str, str]:
        """The environment of a command: no terminal, no colours, and doubts that settle fast."""
        fixed = {"THINGMILL_SETTLING_SECONDS": "0.2", "COLUMNS": "200", "NO_COLOR": "1"}
        return os.environ | fixed | self.environment

    def run(self, *arguments: str, stdin: str = "", expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, and check its exit code."""
        result = subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            env=self.env,
            timeout=110,
            check=False,
        )
        assert result.returncode == expect, f"exit code {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and return it; the caller ends it."""
        return subprocess.Popen(
            self.command(*arguments), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=self.env
        )

    def manifest(self, name: str, text: str) -> str:
        """Write a manifest beside the output folder, and return its path."""
        path = self.output.parent / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def summary(self, run: str) -> dict[str, Any]:
        """Return a run's summary.json."""
        found: dict[str, Any] = json.loads((self.output / run / "summary.json").read_text(encoding="utf-8"))
        return found


def snapshot(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Return a digest of every file below a folder, with its mode and time of change; folders have their names."""
    found: dict[str, tuple[str, int, int]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        found[str(path.relative_to(folder))] = (digest, status.st_mode, status.st_mtime_ns)
    return found


def openssl(*arguments: str) -> str:
    """Return what openssl says; it has to succeed."""
    result = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=60, check=True)
    return result.stdout
