"""A worker that answers something odd fails a device, stores nothing, and has nothing quoted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pipeline.cluster.job import SealedKey
from pipeline.cluster.making import ClusterKeys
from pipeline.codes import DeviceCode
from pipeline.errors import DeviceError, ThingmillError
from pipeline.keymaking import KeyOrder, LocalKeys
from pipeline.settings import Cluster, KeyType
from pipeline.workers import CHEAP, Workers

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from pipeline.device import KeyReceipt

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("soft")]


class Standing(ThreadPoolExecutor):
    """Stands for a cluster, and may answer something else than what was done."""

    threads = 1

    def __init__(self, answer: Callable[[Any], object]) -> None:
        super().__init__(1)
        self._answer = answer

    def submit(self, fn: Callable[..., Any], /, *args: object, **kwargs: object) -> Future[Any]:
        return super().submit(lambda: self._answer(fn(*args, **kwargs)))


async def made(order: KeyOrder, monkeypatch: pytest.MonkeyPatch, answer: Callable[[Any], object]) -> KeyReceipt:
    """Have a key made by a cluster that makes such an answer of its results."""
    monkeypatch.setattr("pipeline.cluster.making.ClusterExecutor", lambda *_: Standing(answer))
    cluster = Cluster("tcp://127.0.0.1:9", insecure=True)
    with anyio.fail_after(30):
        async with ClusterKeys(cluster, CHEAP, LocalKeys(Workers(1, CHEAP)), pytest.fail) as makers:
            return await makers.make(order)


@pytest.mark.parametrize(
    "answer",
    [None, [], 5, [None, None], [None], [object.__new__(SealedKey)]],
    ids=["nothing", "empty", "number", "too many", "no key", "no fields"],
)
async def test_an_odd_answer_fails_its_device_and_stores_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    """Where a cluster answers what is no key, that is told of the device, which does not wait for ever."""
    order = KeyOrder(tmp_path / "one", "one", "one", KeyType.EC_P256)
    with pytest.raises(DeviceError) as caught:
        await made(order, monkeypatch, lambda _: answer)
    assert caught.value.code == DeviceCode.STRANGE_SEALED_KEY
    assert not order.folder.exists()


async def test_what_a_library_says_of_a_key_is_not_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody foresaw while a key is stored is told by its kind and places, without its words."""

    def quoting(*_: object) -> None:
        raise AttributeError("-----BEGIN PRIVATE KEY-----")

    order = KeyOrder(tmp_path / "one", "one", "one", KeyType.EC_P256)
    monkeypatch.setattr("pipeline.files.create_once", quoting)
    with pytest.raises(ThingmillError, match=r"^the storing of a key .*: AttributeError at .*\.py:\d+") as caught:
        await made(order, monkeypatch, lambda results: results)
    error = caught.value
    assert "BEGIN" not in error.message + error.advice
    assert (error.__cause__, error.__context__) == (None, None)
