"""Subcommands as processes against a double of AWS IoT, and what each of them called there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.e2e.command import KEYS
from tests.support.awsiot import Spoil, Wrong
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.awsiot import AwsIotDouble, DoubleThread

__all__ = ["SCENARIOS", "Stage"]

ISSUE = "CreateCertificateFromCsr"
HEADER = "thing_name,thing_type,thing_groups,billing_group\n"
KILLED = -9


@dataclass(frozen=True, slots=True)
class Stage:
    """A folder and a double.

    Attributes:
        home: Where manifests, runs and settings land.
        double: Takes the place of AWS for every command.
    """

    home: Path
    double: DoubleThread

    def does(self, *arguments: str, expect: int = 0, failpoints: str = "") -> frozenset[str]:
        """Run a command to its end, check its exit code, and return the operations that it called."""
        before = self.double.run(lambda double: len(double.journal.calls))
        quotas = [f"--quota={api}=1000" for api in ("DescribeThingType", "ListCertificates")]
        more = {"run": ["--key", "ec-p256", "--workers", "1", "--quiet", *quotas]}.get(arguments[0], [])
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-m", "pipeline", *arguments, *more],
            cwd=self.home,
            env=self._environment(failpoints),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert ended.returncode == expect, f"exit code {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        return self.double.run(lambda double: frozenset(call.operation for call in double.journal.calls[before:]))

    def write(self, name: str, text: str) -> str:
        """Write a file into the stage's folder, and return its name there."""
        (self.home / name).write_text(text, encoding="utf-8")
        return name

    def tell(self, change: Callable[[AwsIotDouble], object]) -> None:
        """Change something at the double."""
        self.double.run(change)

    def _environment(self, failpoints: str) -> dict[str, str]:
        keys = "".join(f"{name.lower()} = {value}\n" for name, value in KEYS.items() if name.startswith("AWS_"))
        config = self.write("config", f"[profile factory]\nregion = eu-west-1\n{keys}")
        fixed = {
            "AWS_ENDPOINT_URL": self.double.url,
            "AWS_CONFIG_FILE": str(self.home / config),
            "THINGMILL_SETTLING_SECONDS": "0.2",
        }
        return os.environ | KEYS | fixed | ({"THINGMILL_FAILPOINTS": failpoints} if failpoints else {})


def _policy(stage: Stage) -> str:
    return stage.write("device.json", json.dumps({"Version": "2012-10-17", "Statement": []}))


def _provision(stage: Stage) -> frozenset[str]:
    """Provision one device with everything that a device can have, all of it made by the run."""
    manifest = stage.write("fleet.csv", f"{HEADER}pump,Pump,hall-b,north\n")
    return stage.does("run", manifest, "--policy", _policy(stage), "--create-missing")


def _run(stage: Stage) -> frozenset[str]:
    """Provision things that are new, that are there, whose answer is lost, and whose certificate is wrong."""
    made = _provision(stage)
    stage.tell(lambda double: double.account.registry.create_thing("there", None, {}, None))
    stage.tell(lambda double: double.faults.script(ISSUE, Spoil(Wrong.OTHER_NAME), subject="wrong"))
    manifest = stage.write("second.csv", f"{HEADER}there,,,north\nwrong,,,\n")
    second = stage.does("run", manifest, "--policy", "device", expect=1)
    return made | second | _lose(stage) | _resume(stage) | _contest(stage)


def _contest(stage: Stage) -> frozenset[str]:
    """Have another station attach its certificate to a thing while this one is at work on it."""
    run = ("run", stage.write("shared.txt", "shared\n"), "--policy", "device", "--part", "1/1")
    stage.does(*run, expect=KILLED, failpoints="certificate.after")

    def attach(double: AwsIotDouble) -> None:
        other = double.account.store.issue(make_csr("shared").pem, active=True)
        double.account.attach_principal("shared", other.arn)

    stage.tell(attach)
    return stage.does(*run, expect=1)


def _lose(stage: Stage) -> frozenset[str]:
    """Kill a run whose certificate was issued just now."""
    manifest = stage.write("lost.txt", "lost\n")
    return stage.does("run", manifest, "--policy", _policy(stage), expect=KILLED, failpoints="certificate.after")


def _resume(stage: Stage) -> frozenset[str]:
    return stage.does("run", "lost.txt", "--policy", "device.json")


def _double_lost(stage: Stage) -> None:
    """Have a second certificate issued for the key whose first one was lost."""
    _lose(stage)
    csr = next((stage.home / "output" / "lost" / "staging" / "lost").glob("*.csr")).read_text(encoding="ascii")
    stage.tell(lambda double: double.account.store.issue(csr, active=True))


def _plan(stage: Stage) -> frozenset[str]:
    return stage.does("plan", stage.write("fleet.txt", "pump\n"), "--key", "ec-p256")


def _verify(stage: Stage) -> frozenset[str]:
    _provision(stage)
    return stage.does("verify", "fleet", "--remote")


def _reconcile(stage: Stage) -> frozenset[str]:
    _double_lost(stage)
    return stage.does("reconcile", "lost")


def _revoke(stage: Stage) -> frozenset[str]:
    """Take back a run that is done with all that it made, and one that was killed over its certificate."""
    _provision(stage)
    done = stage.does("revoke", "fleet", "--things", "--yes")
    _double_lost(stage)
    return done | stage.does("revoke", "lost", "--things", "--yes")


def _retire(stage: Stage) -> frozenset[str]:
    def give_old(double: AwsIotDouble) -> None:
        account = double.account
        account.create_policy("before", '{"Version": "2012-10-17", "Statement": []}')
        old = account.store.issue(make_csr("old").pem, active=True)
        account.registry.create_thing("pump", None, {}, None)
        account.attach_principal("pump", old.arn)
        account.attach_policy("before", old.arn)

    stage.tell(give_old)
    stage.does("run", stage.write("fleet.txt", "pump\n"), "--policy", _policy(stage), "--existing", "rotate")
    return stage.does("retire", "fleet", "--all", "--yes")


def _print_policy(stage: Stage) -> frozenset[str]:
    return stage.does("policy")


def _print_iam(stage: Stage) -> frozenset[str]:
    return stage.does("iam", "--profile", "factory")


SCENARIOS: dict[str, Callable[[Stage], frozenset[str]]] = {
    "run": _run,
    "plan": _plan,
    "verify": _verify,
    "reconcile": _reconcile,
    "revoke": _revoke,
    "retire": _retire,
    "policy": _print_policy,
    "iam": _print_iam,
}
"""What brings each subcommand to call all that it ever calls; each returns the operations."""
