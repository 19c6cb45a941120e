"""The double in a thread of its own, as tests of the command line use it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.support.awsiot import AwsIotDouble, DoubleThread
from tests.support.clients import iot_client

if TYPE_CHECKING:
    from collections.abc import Mapping


async def _create(url: str, name: str) -> None:
    async with iot_client(url) as iot:
        await iot.create_thing(thingName=name)


def test_a_client_of_another_loop_is_served() -> None:
    """A double in a thread serves on the loopback, and its state can be asked from outside."""
    with DoubleThread() as double:
        assert double.url.startswith("http://127.0.0.1:")
        anyio.run(_create, double.url, "one")
        double.until(lambda inner: inner.journal.count("CreateThing", outcome="ok") == 1)
        assert double.run(lambda inner: list(inner.account.registry.things)) == ["one"]


def test_waiting_for_what_never_comes_ends() -> None:
    """Until gives up after its time-out, and the double still stops."""
    with DoubleThread() as double, pytest.raises(TimeoutError):
        double.until(lambda inner: inner.journal.count() == 1, timeout=0.01)


def test_a_failing_hook_fails_the_block() -> None:
    """What a hook raises in the thread is raised where the block ends."""

    def refuse(operation: str, params: Mapping[str, object]) -> None:
        raise LookupError(operation, params)

    async def call(url: str) -> None:
        async with iot_client(url) as iot:
            with pytest.raises(iot.exceptions.ClientError):
                await iot.list_things()

    with pytest.raises(LookupError), DoubleThread(AwsIotDouble(on_request=refuse)) as double:
        anyio.run(call, double.url)
    assert "aws-iot-double" not in {thread.name for thread in threading.enumerate()}
