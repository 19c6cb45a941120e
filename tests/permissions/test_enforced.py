"""The printed policies, tried where they are enforced: the embedded AWS IoT checks IAM and device policies."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from aiobotocore.session import get_session

from pipeline.arns import Place
from pipeline.device_policy import device_policy
from pipeline.local import embedded
from pipeline.mqtt import ProofError, prove, read_bundle
from pipeline.permissions import iam_policy
from tests.e2e.command import Workplace
from tests.support.thorough import sampled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pipeline.local import Embedded

pytest.importorskip("ministack", reason="needs the extra `local`")

# Each of these takes seconds: with pytest-xdist they are best kept in one process (--dist loadgroup).
pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("embedded")]

PLACE = Place("us-east-1", "000000000000")
"""Where the embedded AWS IoT is."""

BLIND_TO = frozenset({"iot:AttachPolicy"})
"""Actions whose resource the embedded AWS IoT does not find: it asks for them on ``*``, which no ARN allows.

Its ``iam_actions.extract_resource_arn`` looks for ``policies`` in the path, and the path has ``target-policies``.
"""


def widened(document: dict[str, Any], *, without: str = "") -> dict[str, Any]:
    """Return an IAM policy as the embedded AWS IoT can check it, and ``without`` one action."""
    statements = []
    for statement in document["Statement"]:
        for action in statement["Action"]:
            if action != without:
                resource = "*" if action in BLIND_TO else statement["Resource"]
                statements.append({"Effect": "Allow", "Action": action, "Resource": resource})
    return {"Version": document["Version"], "Statement": statements}


@asynccontextmanager
async def someone(aws: Embedded, document: dict[str, Any]) -> AsyncIterator[dict[str, str]]:
    """Yield the environment of a user who has this IAM policy and nothing else."""
    root = get_session().create_client(
        "iam",
        endpoint_url=aws.endpoint_url,
        region_name=aws.region,
        aws_access_key_id=aws.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws.environment["AWS_SECRET_ACCESS_KEY"],
    )
    async with root as iam:
        await iam.create_user(UserName="mill")
        await iam.put_user_policy(UserName="mill", PolicyName="least", PolicyDocument=json.dumps(document))
        key = (await iam.create_access_key(UserName="mill"))["AccessKey"]
        yield aws.environment | {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }


async def provision(folder: Path, without: str = "", expect: int = 0) -> str:
    """Run a manifest that makes all that the embedded AWS IoT has, and return what the command said."""
    async with (
        embedded(folder / "aws") as aws,
        someone(aws, widened(iam_policy(["run"], PLACE), without=without)) as environment,
    ):
        workplace = Workplace(folder / "output", environment)
        manifest = workplace.manifest("fleet.csv", "thing_name,thing_type,thing_groups\nlock,Lock,door;pilot\n")
        policy = workplace.manifest("device.json", json.dumps({"Version": "2012-10-17", "Statement": []}))
        options = ["--policy", policy, "--create-missing", "--key", "ec-p256", "--workers", "1"]
        command = partial(workplace.run, "run", manifest, *options, expect=expect)
        ended = await anyio.to_thread.run_sync(command)
        return ended.stdout + ended.stderr


async def test_a_run_needs_no_more_than_its_policy(tmp_path: Path) -> None:
    """A user who may do what ``thingmill iam`` prints, and nothing else, provisions a device to its end."""
    await provision(tmp_path)
    [row] = (tmp_path / "output" / "fleet" / "summary.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert ",lock,DONE,done," in row


@pytest.mark.parametrize(
    "action",
    sampled(["iot:CreatePolicy", "iot:AttachThingPrincipal"], lambda action: action == "iot:AttachThingPrincipal"),
)
async def test_a_run_needs_no_less_than_its_policy(tmp_path: Path, action: str) -> None:
    """With one action left out the run is refused and names it, so the policy is really enforced."""
    said = await provision(tmp_path, without=action, expect=3)
    assert f"is not authorized to perform: {action}" in said


async def test_a_device_speaks_for_itself_alone(tmp_path: Path) -> None:
    """With the printed device policy a device publishes below its own name, and is refused below another's."""
    workplace = Workplace(tmp_path / "output")
    policy = workplace.manifest("device.json", json.dumps(device_policy(PLACE, ["plant/line-7"])))
    manifest = workplace.manifest("fleet.txt", "lock\n")
    options = ["--local", "--policy", policy, "--key", "ec-p256", "--workers", "1"]
    await anyio.to_thread.run_sync(partial(workplace.run, "run", manifest, *options))
    bundle = read_bundle(workplace.output / "fleet" / "devices" / "lock")
    async with embedded(workplace.output / ".local"):
        await prove(bundle, topic="plant/line-7/lock/pressure")
        for foreign in ("plant/line-7/door/pressure", "plant/line-7/lock2/pressure", "things/lock/pressure"):
            with pytest.raises(ProofError) as refusal:
                await prove(bundle, topic=foreign)
            assert refusal.value.code == "PublishRefused"
        with pytest.raises(ProofError) as refusal:
            await prove(bundle, client_id="door", topic="plant/line-7/door/pressure")
        assert refusal.value.code == "NotAuthorized"
