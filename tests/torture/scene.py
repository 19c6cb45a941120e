"""One run under torture: a manifest, a double of AWS IoT, and the real command line as processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from pipeline.aws.quotas import DEFAULTS
from tests.support.awsiot import AwsIotDouble, DoubleThread
from tests.support.awsiot.signing import parse_csr
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.support.awsiot import Faults

__all__ = ["GROUP", "POLICY", "Ended", "Scene"]

POLICY = "fleet"
GROUP = "line-7"
_DOCUMENT = '{"Version": "2012-10-17", "Statement": []}'
_LONGEST_SECONDS = 90.0
"""A process that has not ended by then hangs, which no kill and no fault excuses."""
_SETTLING_SECONDS = "0.4"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit code (negative: the signal that killed it) and what it said."""

    code: int
    out: str
    err: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


@dataclass(slots=True)
class _Trap:
    """An action to be taken when the nth call of an operation (None: of any) arrives."""

    nth: int
    operation: str | None
    action: Callable[[], None]
    seen: int = 0


@dataclass(slots=True)
class Scene:
    """A run and its surroundings, as a context manager.

    Attributes:
        folder: Where everything lands.
        made: Things whose keys the run makes.
        own: Things that bring a CSR and keep their key.
        faults: What goes wrong at the double.
        key_type: As ``--key``.
        asked: The public key hashes that each common name was asked for with, in every call that arrived.
        own_keys: The public key hashes of the things that keep their key.
        kills: How many processes died of SIGKILL.
        double: For actions of ``at``, which are taken in its thread; all others go through ``aws``.
        aws: The double from any other thread.
        access_key: Whose credentials the processes have.
    """

    folder: Path
    made: Sequence[str]
    own: Sequence[str] = ()
    faults: Faults | None = None
    key_type: str = "ec-p256"
    asked: dict[str, set[str]] = field(default_factory=dict)
    own_keys: dict[str, str] = field(default_factory=dict)
    kills: int = 0
    double: AwsIotDouble = field(init=False)
    aws: DoubleThread = field(init=False)
    access_key: str = "AKIDTORTURE"
    _stack: ExitStack = field(default_factory=ExitStack)
    _trap: _Trap | None = None
    _processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """All things of the manifest."""
        return [*self.made, *self.own]

    @property
    def manifest(self) -> Path:
        return self.folder / "fleet.csv"

    @property
    def output(self) -> Path:
        return self.folder / "output"

    @property
    def root(self) -> Path:
        """The run's folder."""
        return self.output / "fleet"

    def __enter__(self) -> Self:
        self._write_manifest()
        self.double = AwsIotDouble(self.faults, on_request=self._arrived)
        self.double.account.create_policy(POLICY, _DOCUMENT)
        self.double.account.registry.create_group(GROUP, None, {})
        self.aws = self._stack.enter_context(DoubleThread(self.double))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.leave_off()
        self._stack.close()

    def leave_off(self) -> None:
        """End the processes that a test left, and forget its trap and its kills: the next one begins anew."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.communicate()
        self._processes.clear()
        self._trap = None
        self.kills = 0

    def at(self, nth: int, action: Callable[[], None], operation: str | None = None) -> None:
        """Take an action when the nth call from now arrives at the double, before anything comes of it."""
        self._trap = _Trap(nth, operation, action)

    def signal(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the youngest process; one that has just ended by itself gets none."""
        process = self._processes[-1]
        if process.returncode is None:
            os.kill(process.pid, number)

    def command(self, *arguments: str) -> list[str]:
        """Return the command line that runs the manifest, with more arguments at its end."""
        quotas = [f"--quota={api}=50000" for api in DEFAULTS]
        return [
            *(sys.executable, "-m", "pipeline", "run", str(self.manifest), "--endpoint-url", self.aws.url),
            *("--region", "eu-west-1", "--key", self.key_type, "--output", str(self.output), "--policy", POLICY),
            *("--group", GROUP, "--workers", "2", "--quiet", "--yes", *quotas, *arguments),
        ]

    def start(
        self, failpoints: str | None = None, command: Sequence[str] | None = None, prefix: Sequence[str] = ()
    ) -> subprocess.Popen[str]:
        """Start a process in a clean environment, as the leader of its own process group."""
        process = subprocess.Popen(
            [*prefix, *(command or self.command())],
            env=self._environment(failpoints),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._processes.append(process)
        return process

    def end(self, process: subprocess.Popen[str]) -> Ended:
        """Wait until a process has ended, and everything that it started: they share its output.

        Raises:
            AssertionError: Some of them hang.
        """
        try:
            out, err = process.communicate(timeout=_LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"the run, or a child of it, hangs; it said: {out}{err}") from None
        ended = Ended(process.returncode, out, err)
        self.kills += ended.killed
        return ended

    def run(self, failpoints: str | None = None, *arguments: str, prefix: Sequence[str] = ()) -> Ended:
        """Run the command line to its end, whatever that is."""
        return self.end(self.start(failpoints, self.command(*arguments), prefix))

    def finish(self, most: int = 6) -> Ended:
        """Run it again until every device is done.

        Raises:
            AssertionError: It takes more than ``most`` runs, or one crashes.
        """
        ended = self.run()
        for _ in range(most - 1):
            if ended.code == 0:
                break
            assert ended.code == 1, (ended.code, ended.err)
            ended = self.run()
        assert ended.code == 0, (ended.code, ended.err)
        assert "Traceback" not in ended.err
        return ended

    def reconcile(self, *arguments: str) -> Ended:
        """Run ``thingmill reconcile`` on the run."""
        command = [sys.executable, "-m", "pipeline", "reconcile", str(self.root)]
        return self.end(self.start(command=[*command, "--endpoint-url", self.aws.url, *arguments]))

    def verify(self) -> Ended:
        """Run ``thingmill verify`` on the run: each bundle, and the ledger against the audit trail."""
        return self.end(self.start(command=[sys.executable, "-m", "pipeline", "verify", str(self.root)]))

    def certificates(self) -> int:
        """Return how many certificates the account has."""
        return self.aws.run(lambda double: len(double.account.store.certificates))

    def _environment(self, failpoints: str | None) -> dict[str, str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "THINGMILL_SETTLING_SECONDS": _SETTLING_SECONDS,
        }
        if failpoints:
            environment["THINGMILL_FAILPOINTS"] = failpoints
        return environment

    def _write_manifest(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = ["thing_name,csr"]
        rows += [f"{name}," for name in self.made]
        for name in self.own:
            request = make_csr(name)
            self.own_keys[name] = request.spki_sha256
            (self.folder / f"{name}.csr").write_text(request.pem, encoding="ascii")
            rows.append(f"{name},{name}.csr")
        self.manifest.write_text("\n".join(rows) + "\n", encoding="ascii")

    def _arrived(self, operation: str, params: Mapping[str, object]) -> None:
        """Run by the double in its thread, for each request."""
        if operation == "CreateCertificateFromCsr":
            parsed = parse_csr(str(params["certificateSigningRequest"]))
            name = str(parsed.subject.rdns[0].rfc4514_string()).removeprefix("CN=")
            self.asked.setdefault(name, set()).add(parsed.spki)
        trap = self._trap
        if trap is None or trap.operation not in {None, operation}:
            return
        trap.seen += 1
        if trap.seen == trap.nth:
            self._trap = None
            trap.action()
