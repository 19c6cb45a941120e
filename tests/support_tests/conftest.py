"""A client of the double, for the tests of the double."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.clients import iot_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from types_aiobotocore_iot.client import IoTClient

    from tests.support.awsiot import AwsIotDouble


@pytest.fixture
async def iot(double: AwsIotDouble) -> AsyncIterator[IoTClient]:
    async with iot_client(double.url) as client:
        yield client
