"""Which workers of a cluster get orders, and what is said of the others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from distributed.versions import get_versions

from pipeline.cluster.roll import Roll
from pipeline.cluster.versions import PACKAGES

SAME = get_versions(packages=PACKAGES)


class Scheduler:
    """Says of its workers what it was told to, and stands for a client and for its scheduler at once."""

    def __init__(self, workers: dict[str, Any]) -> None:
        self.scheduler = self
        self._workers = workers

    def sync(self, asked: Any, *words: object, **options: object) -> Any:  # noqa: ANN401  as Dask's
        options.pop("callback_timeout", None)
        answer = asked(*words, **options)
        return asyncio.run(answer) if asyncio.iscoroutine(answer) else answer

    def versions(self, packages: object) -> object:
        del packages
        return SAME

    def identity(self, n_workers: int) -> object:
        del n_workers
        return {"workers": {address: {"nthreads": 1} for address in self._workers}}

    async def broadcast(self, workers: list[str], **_: object) -> object:
        return {address: self._workers[address] for address in workers}


@pytest.mark.parametrize(
    ("encrypted", "address", "usable"),
    [
        (True, "tls://203.0.113.9:4000", True),
        (True, "tcp://127.0.0.1:4000", False),
        (False, "tls://203.0.113.9:4000", True),
        (False, "tcp://127.0.0.1:4000", True),
        (False, "tcp://[::1]:4000", True),
        (False, "tcp://203.0.113.9:4000", False),
        (False, "tcp://127.0.0.1.example:4000", False),
        (False, "tcp://[2001:db8::1]:4000", False),
        (False, "tcp://[::1:4000", False),
        (False, "ws://127.0.0.1:4000", False),
        (False, "127.0.0.1:4000", False),
    ],
)
def test_orders_go_over_tls_or_stay_on_this_machine(encrypted: bool, address: str, usable: bool) -> None:
    """A worker that would be reached in clear on another machine is named, with what to do, and gets no orders."""
    notes: list[str] = []
    roll = Roll("tcp://127.0.0.1:8786", notes.append, encrypted=encrypted)
    for _ in range(2):
        roll.call(Scheduler({address: SAME}))
    assert roll.usable == ({address} if usable else set())
    assert len(notes) == (not usable)
    assert all("is not reached over TLS; start it with TLS" in note for note in notes)
    assert ("start it with TLS" in roll.advice) == (not usable)


@pytest.mark.parametrize("answer", [None, [], 5, "text", {}, {"packages": 5}, {"packages": {"thingmill": [1]}}])
def test_a_worker_that_says_something_odd_of_itself_is_left_alone(answer: object) -> None:
    """Whatever it answers in place of its versions, the others are used."""
    notes: list[str] = []
    roll = Roll("tls://scheduler:8786", notes.append, encrypted=True)
    roll.call(Scheduler({"tls://odd:1": answer, "tls://good:1": SAME}))
    assert roll.usable == {"tls://good:1"}
    assert len(notes) == 1
    assert "tls://odd:1" in notes[0]
