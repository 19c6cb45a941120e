"""What every command with ``--json`` prints, of runs against a double in which all sorts of things happen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.aws.quotas import DEFAULTS
from pipeline.part import Part
from tests.core.mill import POLICY
from tests.e2e.command import MANIFESTS
from tests.retire.rotated import give_old
from tests.support.awsiot import Fail
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from tests.foreign.stage import Stage
    from tests.support.awsiot import AwsIotDouble

__all__ = ["Stream", "streams"]

FAST = [f"--quota={api}=50000" for api in DEFAULTS]
RUN = ("--key", "ec-p256", "--policy", POLICY, "--existing", "skip", "--yes")
ROTATED = "r-done", "r-left", "r-failed"


@dataclass(frozen=True)
class Stream:
    """What a command printed on standard output.

    Attributes:
        command: Which.
        code: Its exit code.
        lines: The objects.
        documents: What was in ``summary.json`` just after it, in objects too.
    """

    command: str
    code: int
    lines: list[Any]
    documents: list[Any]


class _Teller:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.streams: dict[str, Stream] = {}

    def tell(self, name: str, expect: int, command: str, *words: str) -> None:
        """Carry a command out with ``--json``, and keep what it printed under a name of its own."""
        ended = self._stage.call(command, *words, "--json")
        assert ended.code == expect, f"{name}: exit code {ended.code}\n{ended.out}\n{ended.err}"
        assert ended.out.isascii()
        # No NaN and no infinity: JSON has none (RFC 8259, section 6).
        lines = [json.loads(line, parse_constant=_refuse) for line in ended.out.splitlines()]
        written = self._stage.run_folder / "summary.json"
        documents = [json.loads(written.read_text(encoding="utf-8"))] if written.exists() else []
        assert name not in self.streams
        self.streams[name] = Stream(command, ended.code, lines, documents)


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def streams(stage: Stage) -> dict[str, Stream]:
    """Return what the commands print, each with a name that says what was the matter."""
    teller = _Teller(stage)
    _manifests(teller)
    _runs(stage, teller)
    _looks(stage, teller)
    _retires(stage, teller)
    _revokes(stage, teller)
    return teller.streams


def _manifests(teller: _Teller) -> None:
    demo = str(MANIFESTS / "demo.csv")
    teller.tell("a manifest with faults", 2, "check", str(MANIFESTS / "faulty.csv"))
    teller.tell("a manifest without", 0, "check", demo)
    teller.tell("a plan", 0, "plan", demo, "--offline", "--key", "ec-p256", "--rate", "5")
    teller.tell("a policy", 0, "policy", "--account", "123456789012", "--region", "eu-west-1")


def _runs(stage: Stage, teller: _Teller) -> None:
    stage.double.run(lambda aws: give_old(aws.account, "held"))
    stage.write("own.csr", make_csr("own").pem)
    stage.write("lot.csv", "name,group,csr\none,,\ntwo,hall-a,\nheld,,\nown,,own.csr\n")
    refusal = Fail("InvalidRequestException")
    stage.double.run(lambda aws: aws.faults.script("AttachThingPrincipal", refusal, subject="two"))
    words = ("lot.csv", *RUN, *FAST, "--create-missing")
    teller.tell("a run that is only looked at", 0, "run", *words, "--dry-run")
    teller.tell("a run of which some fail", 1, "run", *words)
    teller.tell("a run that stands", 0, "status", "lot")
    teller.tell("a run that is not done verified", 1, "verify", "lot")
    teller.tell("a run that goes on", 0, "run", *words)
    teller.tell("a run that is done", 0, "run", *words)


def _looks(stage: Stage, teller: _Teller) -> None:
    stray = stage.run_folder / "devices" / "stray"
    stray.mkdir()
    (stage.run_folder / "devices" / "two" / "two.csr").unlink()
    teller.tell("a run with strays verified", 1, "verify", "lot", "--remote", *FAST)
    stray.rmdir()
    teller.tell("an export with a problem", 1, "export", "lot", "--format", "pkcs12", "--format", "zip")
    teller.tell("reports", 0, "report", "lot")
    _merges(stage, teller)
    _targets(stage, teller)


def _merges(stage: Stage, teller: _Teller) -> None:
    """Join two parts out of three with a run that has one of their devices too."""
    names = [f"shared-{number}" for number in range(6)]
    stage.write("shared.txt", "\n".join(names))
    for part in ("1/3", "2/3"):
        assert stage.call("run", "shared.txt", *RUN, *FAST, "--part", part).code == 0
    teller.tell("parts of which one is missing", 1, "merge", "shared-1-of-3", "shared-2-of-3")
    twice = next(name for name in names if Part(1, 3).holds(name))
    stage.write("again.txt", f"{twice}\n")
    assert stage.call("run", "again.txt", *RUN, *FAST, "--existing", "add").code == 0
    words = ("shared-1-of-3", "again", "--name", "both", "--manifest", "shared.txt")
    teller.tell("runs with a device in common", 1, "merge", *words)


def _targets(stage: Stage, teller: _Teller) -> None:
    """Run a manifest whose rows are for two Regions, in each of which one of them fails."""
    names = ["near-1", "near-2", "far-1", "far-2"]
    rows = [f"{name},{'eu-west-1' if name.startswith('near') else 'us-east-1'}\n" for name in names]
    stage.write("wide.csv", "".join(["name,region\n", *rows]))
    refusal = Fail("InvalidRequestException")

    def script(aws: AwsIotDouble) -> None:
        for name in ("near-2", "far-2"):
            aws.faults.script("AttachThingPrincipal", refusal, subject=name)

    stage.double.run(script)
    teller.tell("a manifest for two Regions", 0, "check", "wide.csv")
    teller.tell("a plan for two Regions", 0, "plan", "wide.csv", "--offline", "--key", "ec-p256")
    teller.tell("a run in two Regions that is only looked at", 0, "run", "wide.csv", *RUN, *FAST, "--dry-run")
    teller.tell("a run in two Regions of which some fail", 1, "run", "wide.csv", *RUN, *FAST)
    teller.tell("a run in two Regions", 0, "run", "wide.csv", *RUN, *FAST)


def _retires(stage: Stage, teller: _Teller) -> None:
    def before(aws: AwsIotDouble) -> None:
        for name in ROTATED:
            give_old(aws.account, name, *(["stranger"] if name == "r-done" else []))

    def after(aws: AwsIotDouble) -> None:
        for found in aws.account.store.certificates.values():
            if found.common_name == "r-left":
                found.status = "INACTIVE"
        aws.faults.script("DetachPolicy", Fail("InvalidRequestException"), subject="old-r-failed")

    stage.double.run(before)
    stage.write("fleet.txt", "\n".join(ROTATED))
    rotated = stage.call("run", "fleet.txt", "--key", "ec-p256", "--policy", POLICY, "--existing", "rotate", *FAST)
    assert rotated.code == 0, rotated.err
    stage.double.run(after)
    teller.tell("a retire that is only looked at", 0, "retire", "fleet", "--all", "--dry-run", *FAST)
    teller.tell("a retire", 1, "retire", "fleet", "--all", "--yes", *FAST)


def _revokes(stage: Stage, teller: _Teller) -> None:
    refusal = Fail("VersionConflictException")
    stage.double.run(lambda aws: aws.faults.script("DeleteThing", refusal, subject="two", times=None))
    teller.tell("a revoke that is only looked at", 0, "revoke", "lot", "--things", "--purge", "--dry-run", *FAST)
    teller.tell("a revoke of which something stays", 1, "revoke", "lot", "--things", "--yes", *FAST)
    teller.tell("a run that is taken back", 0, "status", "lot")
    teller.tell("a run that is refused", 4, "run", "lot.csv", *RUN, *FAST)
