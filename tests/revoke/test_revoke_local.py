"""A revoke against the embedded AWS IoT, by the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from aiobotocore.session import get_session

from pipeline.aws.quotas import DEFAULTS
from pipeline.local import embedded
from tests.e2e.command import DEVICE_POLICY, Workplace

if TYPE_CHECKING:
    from pathlib import Path

    from types_aiobotocore_iot.client import IoTClient

pytest.importorskip("ministack", reason="needs the extra `local`")

pytestmark = pytest.mark.xdist_group("embedded")

MANIFEST = "name,groups,serial\n" + "".join(f"lot-{number:02},line-7,{number}\n" for number in range(20))
OPTIONS = ("--local", "--key", "ec-p256", "--policy", DEVICE_POLICY, "--create-missing")
FAST = [f"--quota={api}=50000" for api in DEFAULTS]
"""Quotas that nobody waits for."""


def account(output: Path) -> dict[str, Any]:
    """Return what the embedded AWS IoT of an output folder has, with every link between two of them."""

    async def ask() -> dict[str, Any]:
        async with embedded(output / ".local") as aws:
            client = get_session().create_client(
                "iot",
                endpoint_url=aws.endpoint_url,
                region_name=aws.region,
                aws_access_key_id=aws.environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=aws.environment["AWS_SECRET_ACCESS_KEY"],
            )
            async with client as iot:
                return await _account(iot)

    return anyio.run(ask)


async def _account(iot: IoTClient) -> dict[str, Any]:
    things = [one async for page in iot.get_paginator("list_things").paginate() for one in page["things"]]
    groups = [
        one["groupName"]
        async for page in iot.get_paginator("list_thing_groups").paginate()
        for one in page["thingGroups"]
    ]
    policies = [
        one["policyName"]
        async for page in iot.get_paginator("list_policies").paginate()
        for one in page["policies"]
    ]
    certificates = [
        one async for page in iot.get_paginator("list_certificates").paginate() for one in page["certificates"]
    ]
    return {
        "things": {
            one["thingName"]: (
                one.get("attributes"),
                (await iot.list_thing_principals(thingName=one["thingName"]))["principals"],
                (await iot.list_thing_groups_for_thing(thingName=one["thingName"]))["thingGroups"],
            )
            for one in things
        },
        "groups": {
            name: (await iot.list_things_in_thing_group(thingGroupName=name))["things"] for name in sorted(groups)
        },
        "policies": {
            name: (await iot.list_targets_for_policy(policyName=name))["targets"] for name in sorted(policies)
        },
        "certificates": {one["certificateId"]: one["status"] for one in certificates},
    }


async def _furnish(output: Path) -> None:
    """Put on the account what is to be there before the run, and after it."""
    async with embedded(output / ".local") as aws:
        client = get_session().create_client(
            "iot",
            endpoint_url=aws.endpoint_url,
            region_name=aws.region,
            aws_access_key_id=aws.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=aws.environment["AWS_SECRET_ACCESS_KEY"],
        )
        async with client as iot:
            await iot.create_thing_group(thingGroupName="older")
            for name in ("older", "lot-03"):
                attributes = {"serial": "3"}
                await iot.create_thing(thingName=name, attributePayload={"attributes": attributes})
                await iot.add_thing_to_thing_group(thingName=name, thingGroupName="older")


def test_twenty_devices_leave_the_account_as_it_was(workplace: Workplace) -> None:
    """Listed before the run and after the revoke, the account is the same, with what was there before."""
    workplace.output.mkdir()
    anyio.run(_furnish, workplace.output)
    before = account(workplace.output)
    assert sorted(before["things"]) == ["lot-03", "older"]
    workplace.run("run", workplace.manifest("lot.csv", MANIFEST), *OPTIONS, *FAST)
    assert len(account(workplace.output)["certificates"]) == 20
    ended = workplace.run("revoke", "lot", "--things", "--yes", "--local", *FAST)
    assert ended.stdout.splitlines()[-1] == "lot: 20 devices taken back"
    assert account(workplace.output) == before
    again = workplace.run("revoke", "lot", "--things", "--yes", "--local")
    assert again.stdout.splitlines()[-1] == "lot: nothing is left to take back"
    assert (workplace.output / "lot" / "devices" / "lot-00" / "lot-00.key").exists()


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path / "output")
