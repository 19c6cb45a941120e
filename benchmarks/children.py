"""Every side of a benchmark is a child process: how one is started, waited for and ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from benchmarks.harness import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

__all__ = [
    "LONGEST_SECONDS",
    "PYTHON",
    "THINGMILL",
    "Child",
    "FailedError",
    "environment",
    "run_to_end",
    "workplace",
]

PYTHON = sys.executable
THINGMILL = str(Path(sys.executable).with_name("thingmill"))
"""The command as it is installed beside this Python."""
LONGEST_SECONDS = 600.0
"""No side takes longer than this, or it is taken to hang."""


class FailedError(RuntimeError):
    """A side did not do its work, so there is nothing to be measured."""


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """Yield a folder on the disk that runs land on by default, and remove it afterwards."""
    output = ROOT / "output"
    output.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=output) as folder:
        yield Path(folder)


def environment() -> dict[str, str]:
    """Return the environment of every side: keys that the double takes, and nothing of the user's AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "THINGMILL_"))}
    return kept | {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_COLOR": "1",
    }


class Child:
    """Runs a command while the ``with`` block lasts; it is gone afterwards.

    Args:
        command: Its words.
        stdout: Takes what it prints; None throws it away.
    """

    def __init__(self, command: list[str], stdout: Path | None = None) -> None:
        self._command = command
        self._stdout = stdout
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        out: int | IO[bytes] = subprocess.DEVNULL
        if self._stdout is not None:
            out = self._open.enter_context(self._stdout.open("wb"))
        self._errors = self._open.enter_context(tempfile.TemporaryFile())
        self.begin = time.monotonic()
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=out, stderr=self._errors, cwd=ROOT, env=environment()
        )
        self.pid = self._process.pid
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            self._process.kill()
            self._process.wait()
        self._open.close()

    def interrupt(self) -> None:
        """Send it SIGINT."""
        self._process.send_signal(signal.SIGINT)

    def is_running(self, wait: float) -> bool:
        """Wait up to so many seconds for its end, and return whether it goes on.

        Raises:
            FailedError: It has been running for too long.
        """
        if time.monotonic() - self.begin > LONGEST_SECONDS:
            raise FailedError(f"{self._shown()} takes longer than {LONGEST_SECONDS:.0f} s")
        try:
            self._process.wait(wait)
        except subprocess.TimeoutExpired:
            return True
        return False

    def finish(self, expect: int = 0) -> float:
        """Wait for its end, and return the seconds since it was started.

        Raises:
            FailedError: It ended with another exit code, or takes too long.
        """
        if self.is_running(LONGEST_SECONDS):
            self.is_running(0)
        seconds = time.monotonic() - self.begin
        if self._process.returncode != expect:
            self._errors.seek(0)
            words = self._errors.read()[-2000:].decode(errors="replace").strip()
            raise FailedError(f"{self._shown()} ended with {self._process.returncode}: {words}")
        return seconds

    def _shown(self) -> str:
        return " ".join(self._command[1:6])


def run_to_end(
    command: list[str], stdout: Path | None = None, meanwhile: Callable[[int], object] | None = None
) -> float:
    """Run a command to its end, and return how many seconds that took.

    Args:
        command: Its words.
        stdout: Takes what it prints; None throws it away.
        meanwhile: Is called with its process id twice a second.

    Raises:
        FailedError: Its exit code is not 0, or it takes too long.
    """
    with Child(command, stdout) as child:
        while meanwhile is not None and child.is_running(0.5):
            meanwhile(child.pid)
        return child.finish()
