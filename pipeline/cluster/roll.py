"""The workers of a cluster: which of them may make keys, and what is said of the others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pipeline.cluster.address import is_on_loopback
from pipeline.cluster.versions import PACKAGES, differences
from pipeline.errors import ThingmillError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Roll"]

_ANSWER_SECONDS = 10.0
"""How long the scheduler and each of the workers may take to answer a question."""

_SAME = "install the same there as here (docs/cluster.md, Versions)"
_TLS = "start it with TLS (docs/cluster.md)"


class Roll:
    """What is known of the workers, each of which is asked for its versions until it has answered once.

    Args:
        scheduler: Where the scheduler is, for messages.
        encrypted: Whether all workers have to be reached over TLS; if not, those on loopback need not be.
        note: Is told of each worker that is left alone.
    """

    def __init__(self, scheduler: str, note: Callable[[str], None], *, encrypted: bool) -> None:
        self._scheduler = scheduler
        self._note = note
        self._encrypted = encrypted
        self._scheduler_was_asked = False
        self._threads: dict[str, int] = {}
        self._refused: dict[str, str] = {}

    @property
    def usable(self) -> frozenset[str]:
        """The addresses of the workers that may make keys."""
        return frozenset(self._threads)

    @property
    def threads(self) -> int:
        """How many tasks these do at once."""
        return sum(self._threads.values())

    @property
    def advice(self) -> str:
        """What to do about it where none may be used."""
        return next(iter(self._refused.values()), "start workers (docs/cluster.md)")

    def call(self, client: Any) -> None:  # noqa: ANN401  Dask is an extra
        """Ask who is there, and look at those who are new.

        Args:
            client: A connected client.

        Raises:
            ThingmillError: The scheduler has other versions.
            OSError: It does not answer, or not in time.
        """
        if not self._scheduler_was_asked:
            self._ask_scheduler(client)
        identity = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=_ANSWER_SECONDS)
        there = {str(address): int(worker["nthreads"]) for address, worker in identity["workers"].items()}
        refused = {address: why for address, why in self._refused.items() if address in there}
        usable = {address: threads for address, threads in self._threads.items() if address in there}
        new = [address for address in there if address not in refused and address not in usable]
        for address in new:
            # On its way an order in clear could be exchanged for one that is sealed to somebody else.
            if not self._may_have_orders(address):
                refused[address] = self._refuse(address, ["it is not reached over TLS"], _TLS)
        asked = [address for address in new if address not in refused]
        answers = client.sync(_ask_workers, client, asked, callback_timeout=2 * _ANSWER_SECONDS) if asked else {}
        for address, versions in answers.items():
            found = differences(_here(), versions)
            if found:
                refused[address] = self._refuse(address, found, _SAME)
            else:
                usable[address] = there[address]
        self._threads, self._refused = usable, refused

    def _ask_scheduler(self, client: Any) -> None:  # noqa: ANN401  as above
        found = differences(
            _here(), client.sync(client.scheduler.versions, packages=PACKAGES, callback_timeout=_ANSWER_SECONDS)
        )
        if found:
            raise ThingmillError(
                f"the scheduler at {printable(self._scheduler)} has other versions than this run: "
                f"{', '.join(found)}",
                advice=_SAME,
            )
        self._scheduler_was_asked = True

    def _refuse(self, address: str, found: list[str], advice: str) -> str:
        self._note(f"the worker at {printable(address, 100)} makes no keys: {', '.join(found)}; {advice}")
        return advice

    def _may_have_orders(self, address: str) -> bool:
        return address.startswith("tls://") or (not self._encrypted and is_on_loopback(address))


async def _ask_workers(client: Any, addresses: list[str]) -> dict[str, Any]:  # noqa: ANN401  as above
    """Return what each of these has; one that does not answer is left out, and asked again the next time."""

    async def ask(address: str) -> dict[str, Any]:
        # Each by itself: the scheduler answers when it has heard all that one question is for.
        question = {"op": "versions", "packages": PACKAGES}
        asking = client.scheduler.broadcast(msg=question, workers=[address], on_error="ignore")
        try:
            answer: dict[str, Any] = await asyncio.wait_for(asking, _ANSWER_SECONDS)
        except OSError:
            # The time that is up is one as well. That the scheduler is gone is found out by who asks it.
            return {}
        return answer

    answers: dict[str, Any] = {}
    for answer in await asyncio.gather(*map(ask, addresses)):
        answers |= answer
    return answers


def _here() -> dict[str, Any]:
    from distributed.versions import get_versions  # noqa: PLC0415  an extra

    here: dict[str, Any] = get_versions(packages=PACKAGES)
    return here
