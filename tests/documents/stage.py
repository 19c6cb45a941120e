"""A document's stage: a folder, a home and an account of its own, and a shell that does what a reader would do."""

from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tests.documents.cloud import ENDPOINT, REGION
from tests.project.sources import ROOT

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from tests.documents.blocks import Command
    from tests.documents.cloud import Cloud, Tenant

__all__ = ["ANSWERED", "INTERRUPTED", "Done", "Stage"]

ANSWERED = re.compile(r".*\[y/N\]: y")
"""A shown line in which a question is answered: there is a terminal then, and the answer is typed."""

INTERRUPTED = "^C"
"""A shown line, for Ctrl-C."""

_FOREGROUND = "thingmill local"
"""Goes on until Ctrl-C, so the rest of the document happens meanwhile."""

_SHELL = """
{exports}
cd -- {folder} || exit 99
umask {umask}
set -o pipefail
(exit {code})
{command}
code=$?
{{ pwd; umask; export -p; }} >{state}
exit $code
"""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a command: its exit code, and what it printed where."""

    code: int
    stdout: str
    stderr: str


@dataclass(slots=True)
class Stage:
    """Where the commands of one document run, one after another.

    Args:
        scratch: An empty folder.
        cloud: What stands for AWS.
        whole: Whether time does not matter.

    Attributes:
        root: The folder that every block begins in.
        home: The reader's.
        tenant: The account.
    """

    scratch: Path
    cloud: Cloud
    whole: bool = False
    root: Path = field(init=False)
    home: Path = field(init=False)
    tenant: Tenant = field(init=False)
    _folder: Path = field(init=False)
    _umask: str = "022"
    _exports: str = ""
    _code: int = 0
    _foreground: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the folders, with the project's manifests in the one that blocks begin in."""
        self.root, self.home = self.scratch / "work", self.scratch / "home"
        for folder in (self.root / "manifests", self.home / ".aws", self.scratch / "bin"):
            folder.mkdir(parents=True)
        for manifest in (ROOT / "manifests").iterdir():
            (self.root / "manifests" / manifest.name).write_bytes(manifest.read_bytes())
        (self.scratch / "root-ca.pem").write_text(self.cloud.ca_pem, encoding="ascii")
        self._folder = self.root
        self.share_embedded()
        self.new_account()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what is still in the foreground of some terminal."""
        for process in self._foreground:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)

    def new_account(self) -> None:
        """Have the profile ``factory``, which is the default too, belong to an account with nothing in it."""
        self.tenant = self.cloud.open_account()
        lines = (
            f"region = {REGION}",
            f"endpoint_url = {self.cloud.url}",
            f"aws_access_key_id = {self.tenant.access_key}",
            f"aws_secret_access_key = {self.tenant.secret_key}",
        )
        text = "\n".join(("[profile factory]", *lines, "", "[default]", *lines, ""))
        (self.home / ".aws" / "config").write_text(text, encoding="ascii")

    def share_embedded(self) -> None:
        """Have ``--local`` find the embedded AWS IoT that runs already: another start takes seconds."""
        output = self.root / "output"
        output.mkdir(exist_ok=True)
        (output / ".local").symlink_to(self.cloud.folder, target_is_directory=True)

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Write a file into the folder that blocks begin in, with the folders above it."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)

    def does(self, line: str) -> str:
        """Run a command that is no document's, which has to succeed, and return its standard output."""
        done = self._run(_script(line, self.root), terminal=False, interrupted=False)
        assert done.code == 0, f"{line}: exit code {done.code}\n{done.stdout}{done.stderr}"
        return done.stdout

    def export(self, name: str, value: str) -> None:
        """Set a variable that the commands after this one find in their environment."""
        self._exports += f"export {name}={shlex.quote(value)}\n"

    def begin_block(self) -> None:
        """Be in a fresh shell, where a block begins. What was exported before still is."""
        self._folder, self._umask, self._code = self.root, "022", 0

    def do(self, command: Command) -> Done:
        """Run a document's command, after those before it in its block.

        A command that asks is at a terminal, where the answer is yes.
        """
        if command.text == _FOREGROUND:
            return self._begin_foreground()
        state = self.scratch / "state"
        script = _script(command.text, self._folder, self._umask, self._exports, self._code, state)
        shown = command.shown or ()
        done = self._run(script, terminal=_asks(command), interrupted=INTERRUPTED in shown)
        if state.exists():
            folder, umask, self._exports = state.read_text(encoding="utf-8").split("\n", 2)
            self._folder, self._umask = Path(folder), umask
            state.unlink()
        self._code = done.code
        return done

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command."""
        programs = (self.scratch / "bin", Path(sys.executable).parent)
        # A make above this one, as in `make test`, would have the documents' own make say where it is.
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        return outside | {
            "PATH": os.pathsep.join((*map(str, programs), os.environ["PATH"])),
            "HOME": str(self.home),
            "AWS_CONFIG_FILE": str(self.home / ".aws" / "config"),
            "COLUMNS": "120",
            "NO_COLOR": "1",
            "PYTHONPATH": str(Path(__file__).parent / "outside"),
            "THINGMILL_SETTLING_SECONDS": "0.2",
            "DOCUMENTS_ENDPOINT": ENDPOINT,
            "DOCUMENTS_MQTT_PORT": str(self.cloud.mqtt_port),
            "DOCUMENTS_ROOT_CA": str(self.scratch / "root-ca.pem"),
        }

    def _begin_foreground(self) -> Done:
        with (self.scratch / "foreground").open("w+", encoding="utf-8") as said:
            process = subprocess.Popen(
                shlex.split(_FOREGROUND), cwd=self.root, env=self.environment, stdout=said, text=True
            )
            self._foreground.append(process)
            while True:
                time.sleep(0.05)
                text = (self.scratch / "foreground").read_text(encoding="utf-8")
                if "# MQTT" in text or process.poll() is not None:
                    return Done(process.poll() or 0, text, "")

    def _run(self, script: str, *, terminal: bool, interrupted: bool) -> Done:
        reader, writer = pty.openpty() if terminal else (-1, subprocess.PIPE)
        before = self._bundles()
        with subprocess.Popen(
            ["bash", "-c", script],
            env=self.environment,
            stdin=writer if terminal else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=writer,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            if interrupted:
                while process.poll() is None and self._bundles() <= before:
                    time.sleep(0.01)
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)
            if terminal:
                os.close(writer)
                stderr, stdout = _converse(reader, process.stdout)
            else:
                stdout, stderr = process.communicate()
            return Done(process.wait(), stdout, stderr)

    def _bundles(self) -> int:
        return sum(1 for _ in self.root.glob("output/*/devices/*"))


def _script(
    command: str, folder: Path, umask: str = "022", exports: str = "", code: int = 0, state: Path | None = None
) -> str:
    return _SHELL.format(
        command=command,
        folder=shlex.quote(str(folder)),
        umask=umask,
        exports=exports,
        code=code,
        state=shlex.quote(str(state or os.devnull)),
    )


def _asks(command: Command) -> bool:
    """Return whether a command is to be run where it can ask: it shows so, or cannot do without."""
    words = command.text.split()
    asking = words[:2] in (["thingmill", "revoke"], ["thingmill", "retire"])
    told = {"--yes", "-y", "--dry-run"} & set(words)
    return any(ANSWERED.fullmatch(line) for line in command.shown or ()) or (asking and not told)


def _converse(terminal: int, stdout: IO[str]) -> tuple[str, str]:
    """Answer yes to what is asked; return what was said on the terminal, and on standard output."""
    said = b""
    answered = 0
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError:  # the other side is closed (EIO, pty(7))
            break
        said += more
        if not more:
            break
        if said.count(b"[y/N]:") > answered:
            answered += 1
            os.write(terminal, b"y\n")
    os.close(terminal)
    return said.decode("utf-8", "replace").replace("\r\n", "\n"), stdout.read()
