"""What stands for AWS in the documents: the embedded AWS IoT behind a door of its own, and the tests' double.

The embedded AWS IoT serves all calls of IoT, IAM and STS that a document's commands make, and lets devices
connect. By itself it does not do for a profile: the address that its DescribeEndpoint answers has a port in it, it
knows no Service Quotas, and its simulation of IAM looks at one resource alone. So the door answers the first, has
the tests' double answer the others, and passes on all the rest.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio
from aiobotocore.session import get_session
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web
from anyio.from_thread import start_blocking_portal
from yarl import URL

from pipeline.arns import ANY, Place
from pipeline.local import serve_foreground
from pipeline.permissions import NEEDS, iam_policy
from tests.support.awsiot import AwsIotDouble
from tests.support.awsiot.records import Arns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from aiobotocore.session import AioSession
    from anyio.from_thread import BlockingPortal
    from types_aiobotocore_iot.client import IoTClient

    from pipeline.local import Embedded

__all__ = ["ENDPOINT", "Cloud", "Tenant", "cloud"]

ENDPOINT = "a1b2c3d4e5f6g7-ats.iot.us-east-1.localhost"
"""What DescribeEndpoint answers: a name that the embedded server's certificate is good for."""

REGION = "eu-central-1"

_QUOTAS = {"CreateCertificateFromCsr": 15.0, "AttachPolicy": 15.0, "CreateThing": 100.0, "DescribeThing": 350.0}
"""What Service Quotas answers, by API. What is left out is not there to be asked for."""

_USER = "line-7"

_BLIND_TO = "iot:AttachPolicy"
"""What the embedded AWS IoT asks for on ``*``, which no ARN allows (``tests/permissions/test_enforced.py``)."""

_HOPS = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Tenant:
    """An account of a document's own.

    Attributes:
        number: Its account number.
        access_key: Of the user ``line-7``, who may do what ``thingmill iam`` prints, and no more.
        secret_key: Belongs to it.
    """

    number: str
    access_key: str
    secret_key: str


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where AWS is for a document.

    Attributes:
        url: For all calls.
        mqtt_port: Of the loopback, where devices connect.
        ca_pem: The root that the server's certificate comes from.
        folder: Of the embedded AWS IoT, which whoever has it as ``output/.local`` shares.
    """

    url: str
    mqtt_port: int
    ca_pem: str
    folder: Path
    _portal: BlockingPortal
    _double: AwsIotDouble
    _numbers: Iterator[int]

    def open_account(self) -> Tenant:
        """Make a user in an account that has nothing else in it.

        One account is in use at a time: the double knows the last one alone.
        """
        number = str(next(self._numbers))
        self._double.account.arns = Arns(REGION, number)
        return self._portal.call(_make_user, self.url, number)

    def allow(self, tenant: Tenant, policy: dict[str, Any]) -> None:
        """Have an account's user do what an IAM policy says, and nothing else."""
        self._portal.call(_allow, self.url, tenant.number, policy)

    def change(self, tenant: Tenant, act: Callable[[IoTClient], Awaitable[object]], region: str = REGION) -> None:
        """Do something in an account behind the back of the commands, as its root user."""
        self._portal.call(_change, self.url, tenant.number, act, region)


@contextmanager
def cloud(folder: Path) -> Iterator[Cloud]:
    """Run what stands for AWS for the length of the block; its state is kept in the folder."""
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        aws = stack.enter_context(portal.wrap_async_context_manager(_serving(folder)))
        double = AwsIotDouble(region=REGION)
        double.account.quotas |= {f"{api} API TPS": value for api, value in _QUOTAS.items()}
        stack.enter_context(portal.wrap_async_context_manager(double))
        door = stack.enter_context(portal.wrap_async_context_manager(_door(aws, double)))
        yield Cloud(door, aws.mqtt_port, aws.ca_pem, folder, portal, double, count(123456789012))


@asynccontextmanager
async def _serving(folder: Path) -> AsyncIterator[Embedded]:
    """Run the embedded AWS IoT as ``thingmill local`` does, for everybody who comes to its folder."""
    async with anyio.create_task_group() as group:
        found: list[Embedded] = []
        up = anyio.Event()

        def announce(aws: Embedded) -> None:
            found.append(aws)
            up.set()

        group.start_soon(serve_foreground, folder, announce)
        await up.wait()
        yield found[0]
        group.cancel_scope.cancel()


@asynccontextmanager
async def _door(aws: Embedded, double: AwsIotDouble) -> AsyncIterator[str]:
    """Serve on the loopback; yield the URL."""
    async with ClientSession(
        cookie_jar=DummyCookieJar(), auto_decompress=False, connector=TCPConnector(limit=0)
    ) as out:

        async def serve(request: web.Request) -> web.Response:
            if request.path == "/endpoint":
                return web.json_response({"endpointAddress": ENDPOINT})
            body = await request.read()
            quotas = request.headers.get("X-Amz-Target", "").startswith("ServiceQuotas")
            doubled = quotas or b"Action=SimulatePrincipalPolicy&" in body
            to = URL((double.url if doubled else aws.endpoint_url) + request.raw_path, encoded=True)
            # The host stays as it was: it is part of what was signed.
            headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOPS]
            async with out.request(request.method, to, headers=headers, data=body) as answer:
                kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOPS]
                return web.Response(status=answer.status, headers=kept, body=await answer.read())

        application = web.Application(client_max_size=16 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", serve)
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            yield f"http://{host}:{port}"
        finally:
            await runner.cleanup()


@cache
def _session() -> AioSession:
    # Reading the service models is most of what a client costs.
    return get_session()


def _client(service: str, url: str, number: str, region: str = REGION) -> Any:  # noqa: ANN401  botocore makes its type from the service
    # The embedded AWS IoT takes twelve digits in an access key's place for the root user of that account.
    return _session().create_client(  # type: ignore[call-overload]
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=number,
        aws_secret_access_key="not-a-secret",
    )


async def _make_user(url: str, number: str) -> Tenant:
    async with _client("iam", url, number) as iam:
        await iam.create_user(UserName=_USER)
        key = (await iam.create_access_key(UserName=_USER))["AccessKey"]
    await _allow(url, number, iam_policy(list(NEEDS), Place(ANY, ANY)))
    return Tenant(number, key["AccessKeyId"], key["SecretAccessKey"])


async def _allow(url: str, number: str, policy: dict[str, Any]) -> None:
    for statement in policy["Statement"]:
        if _BLIND_TO in statement["Action"]:
            statement["Resource"] = "*"
    async with _client("iam", url, number) as iam:
        await iam.put_user_policy(UserName=_USER, PolicyName="thingmill", PolicyDocument=json.dumps(policy))


async def _change(url: str, number: str, act: Callable[[IoTClient], Awaitable[object]], region: str) -> None:
    async with _client("iot", url, number, region) as iot:
        await act(iot)
