"""A running double and a client of it, for the tests of the double."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.awsiot import AwsIotDouble
from tests.support.clients import iot_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from types_aiobotocore_iot.client import IoTClient


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def double() -> AsyncIterator[AwsIotDouble]:
    async with AwsIotDouble() as running:
        yield running


@pytest.fixture
async def iot(double: AwsIotDouble) -> AsyncIterator[IoTClient]:
    async with iot_client(double.url) as client:
        yield client
