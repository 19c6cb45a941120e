"""The embedded AWS IoT comes up on loopback, remembers its account, and never stays behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from aiobotocore.session import get_session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.errors import RefusedError, UsageError
from pipeline.local import Embedded, embedded, serve_foreground
from pipeline.local.launcher import LoopbackLoop

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from types_aiobotocore_iot import IoTClient

pytest.importorskip("ministack", reason="needs the extra `local`")

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

# A parent as a run is one: it starts the embedded AWS IoT, says so, and stays until it is ended.
PARENT = """
import sys, anyio, pathlib
from pipeline.local import serve_foreground
anyio.run(serve_foreground, pathlib.Path(sys.argv[1]), lambda aws: print(aws.endpoint_url, flush=True))
"""


def iot_client(aws: Embedded) -> AbstractAsyncContextManager[IoTClient]:
    return get_session().create_client(
        "iot",
        endpoint_url=aws.endpoint_url,
        region_name=aws.region,
        aws_access_key_id=aws.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws.environment["AWS_SECRET_ACCESS_KEY"],
    )


def start_parent(state: Path) -> tuple[subprocess.Popen[str], str]:
    """Return a parent process and the endpoint that it announced."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(state)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    return parent, parent.stdout.readline().strip()


def children(state: Path) -> list[int]:
    """Return the launchers that run on this state folder, from /proc."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            command = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
            if b"pipeline.local.launcher" in command and (process / "cwd").readlink() == state:
                found.append(int(process.name))
        except OSError:  # it ended as we looked
            continue
    return found


async def until_no_child(state: Path) -> None:
    with anyio.fail_after(30):
        while children(state):  # noqa: ASYNC110 - nobody's child any more, so nobody can wait for it
            await anyio.sleep(0.02)


def listening(process: int) -> set[tuple[str, int]]:
    """Return the hexadecimal address and the port of every TCP socket on which a process listens."""
    inodes = set()
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        target = str(descriptor.readlink())
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == "0A" and columns[9] in inodes:
                address, port = columns[1].split(":")
                found.add((address, int(port, 16)))
    return found


@LINUX
def test_it_listens_on_loopback_alone(tmp_path: Path) -> None:
    """Both sockets, the MQTT broker's too, are bound to 127.0.0.1, and there is no third."""

    async def look() -> tuple[Embedded, set[tuple[str, int]]]:
        async with embedded(tmp_path) as aws:
            [child] = children(tmp_path)
            return aws, listening(child)

    aws, sockets = anyio.run(look)
    loopback = f"{int.from_bytes(socket.inet_aton('127.0.0.1'), sys.byteorder):08X}"
    http_port = int(aws.endpoint_url.rpartition(":")[2])
    assert sockets == {(loopback, http_port), (loopback, aws.mqtt_port)}


def test_a_server_that_asks_for_every_interface_gets_loopback() -> None:
    """The loop narrows where servers listen, also one that nobody handed a socket."""

    async def ask() -> str:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "0.0.0.0", 0)  # noqa: S104
        address: str = server.sockets[0].getsockname()[0]
        server.close()
        await server.wait_closed()
        return address

    with asyncio.Runner(loop_factory=lambda: LoopbackLoop({})) as runner:
        assert runner.run(ask()) == "127.0.0.1"


def test_the_account_survives_a_restart(tmp_path: Path) -> None:
    """Things, types, groups, certificates, policies, every link, the CA and the ports are as they were."""
    name = "TestThing001"
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )
    document = json.dumps({"Version": "2012-10-17", "Statement": []})

    async def fill() -> tuple[Embedded, str, str]:
        async with embedded(tmp_path) as aws, iot_client(aws) as iot:
            await iot.create_thing_type(thingTypeName="sensor")
            await iot.create_thing_group(thingGroupName="line-7")
            await iot.create_policy(policyName="device", policyDocument=document)
            await iot.create_thing(
                thingName=name, thingTypeName="sensor", attributePayload={"attributes": {"serial": "7"}}
            )
            issued = await iot.create_certificate_from_csr(certificateSigningRequest=csr, setAsActive=True)
            arn = issued["certificateArn"]
            await iot.attach_thing_principal(thingName=name, principal=arn)
            await iot.add_thing_to_thing_group(thingName=name, thingGroupName="line-7")
            await iot.attach_policy(policyName="device", target=arn)
        return aws, arn, issued["certificatePem"]

    async def look(arn: str) -> tuple[Embedded, list[object]]:
        async with embedded(tmp_path) as aws, iot_client(aws) as iot:
            thing = await iot.describe_thing(thingName=name)
            certificate = await iot.describe_certificate(certificateId=arn.rpartition("/")[2])
            description = certificate["certificateDescription"]
            return aws, [
                (thing["thingTypeName"], thing["attributes"]),
                (description["status"], description["certificatePem"]),
                (await iot.describe_thing_type(thingTypeName="sensor"))["thingTypeName"],
                (await iot.list_things_in_thing_group(thingGroupName="line-7"))["things"],
                (await iot.list_thing_principals(thingName=name))["principals"],
                [policy["policyName"] for policy in (await iot.list_attached_policies(target=arn))["policies"]],
                (await iot.get_policy(policyName="device"))["policyDocument"],
            ]

    before, arn, pem = anyio.run(fill)
    after, found = anyio.run(look, arn)
    assert found == [
        ("sensor", {"serial": "7"}),
        ("ACTIVE", pem),
        "sensor",
        [name],
        [arn],
        ["device"],
        document,
    ]
    assert after == before


def test_another_port_is_taken_when_the_remembered_one_is_not_free(tmp_path: Path) -> None:
    """A port that someone else took meanwhile is no reason not to start."""

    async def start() -> Embedded:
        async with embedded(tmp_path) as aws:
            return aws

    before = anyio.run(start)
    with socket.create_server(("127.0.0.1", before.mqtt_port)):
        after = anyio.run(start)
    assert after.mqtt_port != before.mqtt_port
    assert after.endpoint_url == before.endpoint_url


@LINUX
def test_a_killed_parent_leaves_no_child_and_loses_no_account(tmp_path: Path) -> None:
    """After SIGKILL the child saves and ends by itself, and the next start waits for that."""
    parent, endpoint = start_parent(tmp_path)

    async def create(name: str) -> None:
        aws = Embedded(endpoint, "localhost", 0, "", environment=dict.fromkeys(KEYS, "test"))
        async with iot_client(aws) as iot:
            await iot.create_thing(thingName=name)

    async def read(name: str) -> str:
        async with embedded(tmp_path) as aws, iot_client(aws) as iot:
            assert aws.endpoint_url == endpoint
            return (await iot.describe_thing(thingName=name))["thingName"]

    with parent:
        assert len(children(tmp_path)) == 1
        anyio.run(create, "TestThing001")
        parent.kill()
    assert anyio.run(read, "TestThing001") == "TestThing001"
    anyio.run(until_no_child, tmp_path)


@LINUX
def test_an_interrupt_ends_parent_and_child(tmp_path: Path) -> None:
    """Ctrl-C on the foreground server returns only when the child is gone."""
    parent, _ = start_parent(tmp_path)
    with parent:
        parent.send_signal(signal.SIGINT)
    assert children(tmp_path) == []


@LINUX
def test_a_cancelled_block_leaves_no_child(tmp_path: Path) -> None:
    """Cancellation takes the child down before the block is left, although it is cancelled itself."""

    async def cancelled() -> list[int]:
        with anyio.CancelScope() as scope:
            async with embedded(tmp_path):
                scope.cancel()
                await anyio.sleep_forever()
        return children(tmp_path)

    assert anyio.run(cancelled) == []


def test_one_that_serves_in_the_foreground_is_shared(tmp_path: Path) -> None:
    """While ``thingmill local`` serves a folder, others use that one, and leave it running when they are done."""

    async def main() -> None:
        up = anyio.Event()
        served: list[Embedded] = []

        def announce(aws: Embedded) -> None:
            served.append(aws)
            up.set()

        async with anyio.create_task_group() as group:
            group.start_soon(serve_foreground, tmp_path / "state", announce)
            await up.wait()
            for _ in range(2):
                async with embedded(tmp_path / "state") as shared:
                    assert shared == served[0]
                    async with iot_client(shared) as iot:
                        await iot.describe_endpoint()
            group.cancel_scope.cancel()

    anyio.run(main)


def test_a_second_owner_is_refused_and_told_who_is_first(tmp_path: Path) -> None:
    """Two processes do not share an account: the second leaves at once, naming the first."""

    async def twice() -> None:
        async with embedded(tmp_path), embedded(tmp_path):
            pass

    with pytest.raises(UsageError, match=f"in use by process {os.getpid()}"):
        anyio.run(twice)


@LINUX
def test_a_child_that_ends_is_reported_in_the_foreground(tmp_path: Path) -> None:
    """The foreground server does not go on announcing a child that is gone."""

    def end_child(_: Embedded) -> None:
        [child] = children(tmp_path)
        os.kill(child, signal.SIGTERM)

    with pytest.raises(RefusedError, match=r"ended by itself \(exit status 0\)"):
        anyio.run(serve_foreground, tmp_path, end_child)


def test_a_start_that_fails_quotes_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the child said before it ended is in the error, made safe to print."""
    broken = tmp_path / "broken" / "ministack"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('out of order \\x1b[31m')\n", encoding="ascii")
    monkeypatch.syspath_prepend(str(broken.parent))

    async def start() -> None:
        async with embedded(tmp_path / "state"):
            pass

    with pytest.raises(RefusedError) as caught:
        anyio.run(start)
    assert "did not come up" in caught.value.message
    assert r"RuntimeError: out of order \x1b[31m" in caught.value.message


def test_what_it_keeps_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The CA's key lies in the state folder: no file and no folder in it is open to others."""

    async def start() -> None:
        async with embedded(tmp_path / "state"):
            pass

    anyio.run(start)
    kept = [tmp_path / "state", *(tmp_path / "state").rglob("*")]
    assert "iot.json" in {path.name for path in kept}
    assert [path for path in kept if path.stat().st_mode & 0o077] == []


def test_it_finds_nothing_of_the_users_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of another ministack and the user's Docker do not reach the child."""
    monkeypatch.setenv("IOT_MTLS_ENABLED", "0")
    monkeypatch.setenv("USE_SSL", "1")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")

    async def start() -> str:
        async with embedded(tmp_path) as aws:
            return aws.ca_pem

    assert anyio.run(start).startswith("-----BEGIN CERTIFICATE-----")


def test_without_the_extra_the_advice_is_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing ministack is named with the command that installs it, and nothing is left on disk."""
    monkeypatch.setitem(sys.modules, "ministack", None)

    async def start() -> None:
        async with embedded(tmp_path / "state"):
            pass

    with pytest.raises(UsageError) as caught:
        anyio.run(start)
    assert caught.value.advice == "pip install 'thingmill[local]'"
    assert not (tmp_path / "state").exists()


def test_importing_it_imports_no_server() -> None:
    """A command that does not use it does not pay for ministack."""
    look = "import sys, pipeline.local; print(sorted({'ministack', 'hypercorn', 'paho'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
