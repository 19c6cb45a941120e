"""A running double of AWS IoT, and a mill that runs manifests against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core.mill import Mill
from tests.support.awsiot import AwsIotDouble

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def double() -> AsyncIterator[AwsIotDouble]:
    async with AwsIotDouble() as running:
        yield running


@pytest.fixture
def mill(double: AwsIotDouble, tmp_path: Path, aws_keys: None) -> Mill:  # noqa: ARG001  a client wants keys
    return Mill(double, tmp_path)
