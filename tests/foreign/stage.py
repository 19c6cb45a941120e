"""The command line in this process, with a double of AWS IoT that says what it is told to."""

from __future__ import annotations

import io
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pipeline.aws.quotas import DEFAULTS
from pipeline.cli.app import main
from tests.core.mill import DOCUMENT, POLICY
from tests.support.awsiot import Fail

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.awsiot import AwsIotDouble, DoubleThread

__all__ = ["FAST", "Desk", "Ended", "Stage"]

FAST = [f"--quota={api}=50000" for api in DEFAULTS]


@dataclass(frozen=True)
class Ended:
    """What a command wrote, and its exit code."""

    code: int
    out: str
    err: str


class Desk:
    """A folder for manifests and runs, and the command line."""

    def __init__(self, home: Path, patch: pytest.MonkeyPatch) -> None:
        self.home = home
        self._patch = patch

    @property
    def run_folder(self) -> Path:
        return self.home / "output" / "lot"

    def call(self, *words: str) -> Ended:
        """Carry a command out as ``thingmill`` would; what it writes has to be UTF-8."""
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2)]
        with self._patch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            patch.setattr(sys, "argv", ["thingmill", *words])
            patch.chdir(self.home)
            with pytest.raises(SystemExit) as ended:
                main()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, *(_written(stream) for stream in streams))

    def write(self, name: str, content: str | bytes) -> str:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return name


class Stage(Desk):
    """A desk, and a double of AWS IoT that has the policy ``device``."""

    def __init__(self, home: Path, double: DoubleThread, patch: pytest.MonkeyPatch) -> None:
        super().__init__(home, patch)
        self.double = double
        double.run(lambda running: running.account.create_policy(POLICY, DOCUMENT))
        patch.setenv("AWS_ENDPOINT_URL", double.url)
        patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        patch.setenv("THINGMILL_SETTLING_SECONDS", "0.1")

    def provision(self, manifest: str = "lot.txt", *options: str) -> Ended:
        """Run a manifest of the home folder."""
        return self.call("run", manifest, "--key", "ec-p256", "--policy", POLICY, "--yes", *FAST, *options)

    def refuse(self, operation: str, messages: Mapping[str, str]) -> None:
        """Have calls about a thing refused with its message from now on, each with a code of its own."""

        def script(running: AwsIotDouble) -> None:
            for number, (thing, message) in enumerate(messages.items()):
                fault = Fail(f"Refused{number:03}Exception", status=400, message=message)
                running.faults.script(operation, fault, subject=thing, times=None)

        self.double.run(script)

    def alter(self, question: str, *values: object) -> None:
        """Change a run's ledger behind its back, as whoever hands over a folder may have."""
        with closing(sqlite3.connect(self.run_folder / "ledger.db", isolation_level=None)) as connection:
            connection.execute(question, values)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()
