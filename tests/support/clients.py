"""Real aiobotocore clients for a double, with credentials of their own and no retries of their own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiobotocore.session import AioSession
    from types_aiobotocore_iot.client import IoTClient
    from types_aiobotocore_sts.client import STSClient

__all__ = ["error_code", "iot_client", "quotas_client", "sts_client"]


@cache
def _session() -> AioSession:
    # Reading the service models is most of what a first client costs; a session belongs to no event loop.
    return get_session()


def _options(url: str, access_key: str, read_timeout: float) -> dict[str, Any]:
    return {
        "region_name": "eu-west-1",
        "endpoint_url": url,
        "aws_access_key_id": access_key,
        "aws_secret_access_key": "not-a-secret",
        "config": AioConfig(retries={"total_max_attempts": 1}, read_timeout=read_timeout, max_pool_connections=50),
    }


@asynccontextmanager
async def iot_client(
    url: str, *, access_key: str = "AKIDEXAMPLE", read_timeout: float = 20.0
) -> AsyncIterator[IoTClient]:
    """Yield an AWS IoT client. ``read_timeout`` is in seconds."""
    async with _session().create_client("iot", **_options(url, access_key, read_timeout)) as client:
        yield client


@asynccontextmanager
async def sts_client(url: str) -> AsyncIterator[STSClient]:
    """Yield an STS client."""
    async with _session().create_client("sts", **_options(url, "AKIDEXAMPLE", 20.0)) as client:
        yield client


@asynccontextmanager
async def quotas_client(url: str) -> AsyncIterator[Any]:
    """Yield a Service Quotas client, untyped: its stubs are not among the project's dependencies."""
    async with _session().create_client("service-quotas", **_options(url, "AKIDEXAMPLE", 20.0)) as client:
        yield client


def error_code(error: BaseException) -> str:
    """Return the code of a botocore error answer, ``HTTP status code``, as in ``409 DeleteConflictException``."""
    assert isinstance(error, ClientError)
    return f"{error.response['ResponseMetadata']['HTTPStatusCode']} {error.response['Error']['Code']}"
