"""What every test can rely on: no setting of the user's AWS is found, so no test can reach an account."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

import pytest
from botocore.loaders import create_loader
from hypothesis import settings

from tests.support.awsiot import AwsIotDouble
from tests.support.tools import REQUIRE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


# How long an example takes is the machine's business, and no promise.
settings.register_profile("thingmill", deadline=None)
settings.load_profile("thingmill")


@pytest.fixture(scope="session", autouse=True)
def _no_aws_of_the_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    nowhere = tmp_path_factory.mktemp("nowhere")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "THINGMILL_")) and name != REQUIRE]:
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", str(nowhere / "config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere / "credentials"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session", autouse=True)
def _service_models_are_read_once() -> Iterator[None]:
    """One loader for all sessions: reading the models is a third of what a short run in this process costs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", cache(create_loader))
        yield


@pytest.fixture
def aws_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that a double takes and AWS does not."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def double() -> AsyncIterator[AwsIotDouble]:
    """A double of AWS IoT in the test's own loop."""
    async with AwsIotDouble() as running:
        yield running


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """A moto server on loopback; its address."""
    server = pytest.importorskip("moto.server", reason="needs the extra `dev`")
    running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()
