"""Moto as a server nobody should trust: it takes every request, and signs a key that is not the CSR's."""

from __future__ import annotations

import inspect
import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline.aws.registry import Registry
from pipeline.aws.session import open_registry
from pipeline.device import Device
from pipeline.settings import Access
from pipeline.stop import Stop
from tests.e2e.command import DEVICE_POLICY, KEYS, Workplace
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE_REGION = "eu-central-1"
DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": []})


def calls_of(registry: Registry) -> set[str]:
    """Return the names of the calls that the registry can make; a pause between two of them is none."""
    found = inspect.getmembers(registry, inspect.iscoroutinefunction)
    return {name for name, _ in found if not name.startswith("_")} - {"pause"}


async def make_account_calls(registry: Registry) -> None:
    assert len((await registry.get_caller_identity()).account) == 12
    assert ".iot." in await registry.describe_endpoint()
    assert await registry.get_policy("device") is None
    await registry.create_policy("device", DOCUMENT)
    assert json.loads(await registry.get_policy("device") or "") == json.loads(DOCUMENT)
    for has, create in (
        (registry.has_thing_type, registry.create_thing_type),
        (registry.has_thing_group, registry.create_thing_group),
        (registry.has_billing_group, registry.create_billing_group),
    ):
        assert not await has("Pump")
        await create("Pump")
        assert await has("Pump")


async def make_device_calls(registry: Registry) -> None:
    device = Device("one", 1, "one", "Pump", ("Pump",), "Pump", "device", {"serial": "SN1"})
    assert await registry.describe_thing("one") is None
    await registry.create_thing(device)
    await registry.add_thing_to_billing_group("one", "Pump")
    thing = await registry.describe_thing("one")
    assert thing is not None
    assert (thing.thing_type, thing.attributes) == ("Pump", {"serial": "SN1"})

    await registry.permit_certificate()
    issued = await registry.create_certificate_from_csr(make_csr("one").pem, thing="one", active=True)
    arn = issued.certificate_arn
    assert await registry.list_thing_principals("one") == []
    await registry.attach_thing_principal("one", arn)
    await registry.add_thing_to_thing_group("one", "Pump")
    await registry.attach_policy("device", arn)
    assert await registry.list_thing_principals("one") == [arn]
    assert await registry.list_principal_things(arn) == ["one"]


async def make_certificate_calls(registry: Registry) -> None:
    spare = await registry.create_certificate_from_csr(make_csr("two").pem, thing="two", active=False)
    identity = spare.certificate_id
    described = await registry.describe_certificate(identity)
    assert described is not None
    assert described.certificate_pem == spare.certificate_pem
    page, marker = await registry.list_certificates(None)
    assert identity in {listed.certificate_id for listed in page}
    assert marker is None
    assert await registry.list_principal_things(spare.certificate_arn) == []
    assert await registry.list_attached_policies(spare.certificate_arn) == []
    assert await registry.list_thing_groups_for_thing("one") == ["Pump"]
    one = (await registry.list_thing_principals("one"))[0]
    assert await registry.list_things_in_thing_group("Pump", None) == (["one"], None)
    assert await registry.list_things_in_billing_group("Pump", None) == (["one"], None)
    await registry.detach_policy("device", one)
    await registry.detach_thing_principal("one", one)
    await registry.delete_thing("one")
    assert await registry.describe_thing("one") is None
    await registry.delete_policy("device")
    await registry.delete_thing_group("Pump")
    await registry.delete_billing_group("Pump")
    await registry.deactivate_certificate(identity)
    await registry.delete_certificate(identity)
    assert await registry.describe_certificate(identity) is None


def test_every_request_has_the_shape_that_aws_has(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An emulator written from the service model understands every call of the registry, and answers it."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    made: set[str] = set()

    async def main() -> None:
        async with AsyncExitStack() as stack:
            access = Access(region="eu-west-1", endpoint_url=moto)
            registry, _ = await open_registry(stack, access, None, Stop(), connections=10)
            for name in calls_of(registry):
                monkeypatch.setattr(Registry, name, noted(getattr(Registry, name), made))
            await make_account_calls(registry)
            await make_device_calls(registry)
            await make_certificate_calls(registry)
            assert made == calls_of(registry)

    anyio.run(main)


def noted(method: object, made: set[str]) -> object:
    """Return a method of the registry that notes its name in ``made``."""
    assert inspect.iscoroutinefunction(method)

    async def call(*args: object, **kwargs: object) -> object:
        made.add(method.__name__)
        result: object = await method(*args, **kwargs)
        return result

    return call


def test_certificates_for_another_key_are_never_bundled(moto: str, tmp_path: Path) -> None:
    """Every device fails with WrongKey, its certificate is gone from the server, and devices/ stays empty."""
    workplace = Workplace(
        tmp_path / "output", KEYS | {"AWS_ENDPOINT_URL": moto, "AWS_DEFAULT_REGION": "eu-central-1"}
    )
    names = ["hostile-1", "hostile-2", "hostile-3"]
    manifest = workplace.manifest("hostile.txt", "\n".join(names))
    options = ("--key", "ec-p256", "--policy", DEVICE_POLICY)
    workplace.run("run", manifest, *options, expect=1)
    assert list((workplace.output / "hostile" / "devices").iterdir()) == []
    summary = workplace.summary("hostile")
    assert summary["outcomes"] == {"done": 0, "failed": 3, "skipped": 0, "open": 0, "revoked": 0}
    assert [(group["code"], group["things"]) for group in summary["failures"]] == [("WrongKey", names)]
    assert certificates(moto) == []


def certificates(moto: str) -> list[str]:
    """Return the ids of the certificates that are left on the server in the Region of the hostile run."""

    async def ask() -> list[str]:
        async with AsyncExitStack() as stack:
            access = Access(region=HOSTILE_REGION, endpoint_url=moto)
            registry, _ = await open_registry(stack, access, None, Stop(), connections=1)
            page, _ = await registry.list_certificates(None)
            return [listed.certificate_id for listed in page]

    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        return anyio.run(ask)
