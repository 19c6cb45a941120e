"""What is there before a document's commands: files, runs and an account, as a reader would have made them."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.documents.blocks import first_of
from tests.documents.stage import Stage
from tests.project.sources import ROOT
from tests.sealing.holders import age_holder, ssh_holder
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_aiobotocore_iot.client import IoTClient

SAMPLE = 29
"""How many of the tutorial's thousand devices are provisioned."""

Step = Callable[[Stage], None]

_RUN = "thingmill run line-7.csv"
_DEVICE_POLICY = (ROOT / "manifests" / "device-policy.json").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Scene:
    """What a document takes for granted.

    Attributes:
        prepare: Makes what is there before the first command.
        before: What happens before a command that the reader is not told to do, by the command to the letter.
        codes: Exit codes of commands that do not end with 0, where the next command does not show them.
        figures: Numbers that a sample prints, with those that the document shows for the whole.
        usual: Commands that are run on every stage, where a document repeats what others show; the rest are run on
            a whole one alone. None for all of them.
    """

    prepare: Step
    before: Mapping[str, Step] = field(default_factory=dict)
    codes: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, str] = field(default_factory=dict)
    usual: frozenset[str] | None = None

    @property
    def is_sampled(self) -> bool:
        """Whether a stage that is not whole is spared something."""
        return bool(self.figures) or self.usual is not None


def all_of(*steps: Step) -> Step:
    """Return what does these, one after another."""

    def do(stage: Stage) -> None:
        for step in steps:
            step(stage)

    return do


def nothing(_stage: Stage) -> None:
    """What the project's manifests and a profile do for."""


def line_7(*names: str) -> Step:
    """Return what writes ``line-7.csv``. Its rows ask for EC keys: those of RSA take a second for two."""
    rows = "".join(f"{name},FM7-42{number:02},ec-p256\n" for number, name in enumerate(names, 1))

    def write(stage: Stage) -> None:
        stage.write("line-7.csv", f"thing_name,serial_number,key_type\n{rows}")

    return write


def device_policy(stage: Stage) -> None:
    """Make the policy ``device`` on the account."""

    async def make(iot: IoTClient) -> None:
        await iot.create_policy(policyName="device", policyDocument=_DEVICE_POLICY)

    stage.cloud.change(stage.tenant, make)


def two_regions(stage: Stage) -> None:
    """Write ``pumps.csv``, whose rows go to two Regions, and make the policy ``device`` in the other one too."""

    async def make(iot: IoTClient) -> None:
        await iot.create_policy(policyName="device", policyDocument=_DEVICE_POLICY)

    stage.cloud.change(stage.tenant, make, "us-east-1")
    stage.write("pumps.csv", "thing_name,region\npump-001,eu-central-1\npump-002,us-east-1\n")


def device_json(stage: Stage) -> None:
    """Write a device policy for any account."""
    stage.write("device.json", _DEVICE_POLICY)


def no_output(stage: Stage) -> None:
    """Take all runs away, and let no embedded AWS IoT be there."""
    shutil.rmtree(stage.root / "output")


def no_runs(stage: Stage) -> None:
    """Take all runs away."""
    no_output(stage)
    stage.share_embedded()


def anew(stage: Stage) -> None:
    """Begin with an empty account and without runs."""
    no_runs(stage)
    stage.new_account()


def provisioned(stage: Stage) -> None:
    """Have the run line-7."""
    stage.does(_RUN)


def batch(stage: Stage) -> None:
    """Be the first of three jobs of an array, as AWS Batch says it."""
    stage.export("AWS_BATCH_JOB_ARRAY_INDEX", "0")
    stage.export("AWS_BATCH_JOB_ARRAY_SIZE", "3")


def csrs(stage: Stage) -> None:
    """Write ``line-7.txt`` with five names, and CSRs for three of them."""
    names = [f"flow-7-{number:03}" for number in range(1, 6)]
    stage.write("line-7.txt", "".join(f"{name}\n" for name in names))
    for name in names[:3]:
        stage.write(f"csrs/{name}.csr", make_csr(name).pem)


def identities(stage: Stage) -> None:
    """Write an age identity, its recipient, an SSH key and a passphrase."""
    (stage.home / "recipient.txt").write_text(age_holder(stage.root, "key").recipient, encoding="ascii")
    folder = stage.home / ".ssh"
    folder.mkdir(mode=0o700)
    (folder / "id_ed25519.pub").write_text(ssh_holder(folder, "ed25519").recipient, encoding="ascii")
    stage.write("passphrase", "correct horse battery staple\n", 0o600)


def password_store(stage: Stage) -> None:
    """Have a program ``pass`` that tells the password, which is in a file, too."""
    stage.write("password", "twenty random letters\n", 0o600)
    program = stage.scratch / "bin" / "pass"
    program.write_text("#!/bin/sh\necho twenty random letters\n", encoding="ascii")
    program.chmod(0o700)


def failed_and_mended(stage: Stage) -> None:
    """Have the run end with a device that failed, and mend the cause: its thing had a certificate."""
    _occupy(stage, "flow-7-002", occupied=True)
    line_7("flow-7-001", "flow-7-002")(stage)
    stage.does(f"{_RUN} --profile factory --policy device || test $? = 1")
    _occupy(stage, "flow-7-002", occupied=False)


def failed_again(stage: Stage) -> None:
    """Have a run line-7 of which a device failed."""
    anew(stage)
    _occupy(stage, "flow-7-002", occupied=True)
    stage.does(f"{_RUN} || test $? = 1")


def _occupy(stage: Stage, name: str, *, occupied: bool) -> None:
    """Attach a certificate to a thing that is made for it, or take it away again."""

    async def attach(iot: IoTClient) -> None:
        await iot.create_thing(thingName=name, attributePayload={"attributes": {"serial_number": "FM7-4202"}})
        made = await iot.create_keys_and_certificate(setAsActive=True)
        await iot.attach_thing_principal(thingName=name, principal=made["certificateArn"])

    async def detach(iot: IoTClient) -> None:
        for arn in (await iot.list_thing_principals(thingName=name))["principals"]:
            await iot.detach_thing_principal(thingName=name, principal=arn)

    stage.cloud.change(stage.tenant, attach if occupied else detach)


def encrypted(stage: Stage) -> None:
    """Have the run line-7 with keys that key.txt opens."""
    anew(stage)
    stage.does(f"{_RUN} --encrypt-to ~/recipient.txt")


def with_a_passphrase(stage: Stage) -> None:
    """Have the run line-7 with keys that a passphrase opens, and the one with recipients aside."""
    (stage.root / "output").rename(stage.root / "aside")
    stage.share_embedded()
    stage.does(f"{_RUN} --existing add --policy device --passphrase file:passphrase")


def with_recipients(stage: Stage) -> None:
    """Have the run line-7 again that was put aside."""
    no_output(stage)
    (stage.root / "aside").rename(stage.root / "output")


def nvs(stage: Stage) -> None:
    """Have the CSV of an NVS partition here, and keys that encrypt one."""
    stage.does("thingmill export line-7 --format esp-nvs --format esp-secure-cert")
    stage.does("cp output/line-7/export/esp-nvs/pump-001/pump-001.nvs.csv .")
    stage.does("python -m esp_idf_nvs_partition_gen generate-key --keyfile nvs-keys.bin && mv keys/nvs-keys.bin .")


def esp_secure_cert(stage: Stage) -> None:
    """Have a run in the reader's home, as if it had been made with the format."""
    stage.does("cp -a output/line-7 ~")
    stage.does("cd ~/line-7 && mv export/esp-secure-cert/pump-001 devices/pump-001/esp-secure-cert")


def a_policy_less(stage: Stage) -> None:
    """Take the policy from the second device, behind the run's back."""
    arn = _column(stage, "line-7", "certificate_arn")["flow-7-002"]

    async def detach(iot: IoTClient) -> None:
        await iot.detach_policy(policyName="device", target=arn)

    stage.cloud.change(stage.tenant, detach)


def connected(stage: Stage) -> None:
    """Write presence events: of the new bundles all but one, of an old one, and of no device of the run."""
    new = _column(stage, "line-7-2026", "certificate_id")
    *most, last = new.items()
    events = [*(most or [last]), (last[0], "0" * 64), ("pump-9", "0" * 64)]
    lines = [
        {"clientId": name, "eventType": "connected", "principalIdentifier": identity} for name, identity in events
    ]
    stage.write("connected.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))


def _column(stage: Stage, run: str, name: str) -> dict[str, str]:
    """Return a column of a run's summary by thing name."""
    with (stage.root / "output" / run / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["thing_name"]: row[name] for row in csv.DictReader(file)}


def demo(stage: Stage) -> None:
    """Have a Makefile whose ``demo`` is the project's, with the program that is here and EC keys."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = text.partition("\ndemo:")[2].partition("\n\n")[0].splitlines()[1:]
    lines = [line.replace("$(BIN)/", "").replace(" run ", " run --key ec-p256 ") for line in recipe]
    stage.write("Makefile", "\n".join(("demo:", *lines, "")))


def pilot(stage: Stage) -> None:
    """Write the manifest that the tutorial has the reader write."""
    stage.write("pilot.csv", first_of((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"), "csv"))


def allowed(stage: Stage) -> None:
    """Allow the user what the IAM policy says that the page has printed, and nothing else."""
    stage.cloud.allow(stage.tenant, json.loads((stage.root / "thingmill.json").read_text(encoding="utf-8")))


def sample(stage: Stage) -> None:
    """Leave so many of a thousand devices that their calls take seconds, but for a whole stage."""
    if stage.whole:
        return
    names = (stage.root / "plant.txt").read_text(encoding="utf-8").splitlines()
    stage.write("plant.txt", "".join(f"{name}\n" for name in names[:SAMPLE]))
