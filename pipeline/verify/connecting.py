"""One device's bundle proved over MQTT, no faster than connections may be begun."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from pipeline import mqtt
from pipeline.aws.limiter import Budget
from pipeline.codes import ProofCode
from pipeline.errors import DiskError, ThingmillError
from pipeline.staging import read_key
from pipeline.unsealing import KeyNotOpenedError
from pipeline.verify.findings import Check, Finding

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.secret import Secret
    from pipeline.unsealing import Opener

__all__ = ["Connector"]


@dataclass(frozen=True, slots=True)
class Connector:
    """Connects with bundles, each with nothing but its own files. Made inside an event loop.

    Attributes:
        concurrency: Connections at once at most.
        rate: Connections begun per second at most.
        port: Another port than the bundles say, or None.
        topic: Where each publishes one message; ``{thing}`` stands for its name. None for the proof's own.
        opener: Opens keys that are encrypted, or None.
    """

    concurrency: int
    rate: float
    port: int | None = None
    topic: str | None = None
    opener: Opener | None = None
    _budget: Budget = field(init=False)
    _threads: anyio.CapacityLimiter = field(init=False)

    def __post_init__(self) -> None:
        if self.topic is not None:
            mqtt.check_topic(self.topic)
        object.__setattr__(self, "_budget", Budget(self.rate))
        object.__setattr__(self, "_threads", anyio.CapacityLimiter(self.concurrency))

    async def prove(self, folder: Path) -> list[Finding]:
        """Connect with a bundle, publish one message, and return why that could not be done.

        Raises:
            UsageError: The extra ``mqtt`` is not installed, or nobody can publish to the topic.
        """
        try:
            bundle = await anyio.to_thread.run_sync(self._bundle, folder)
            topic = None if self.topic is None else self.topic.replace("{thing}", bundle.thing_name)
            await self._budget.acquire()
            await mqtt.prove(bundle, topic=topic, limiter=self._threads)
        except mqtt.ProofError as error:
            return [_finding(error)]
        return []

    async def prove_refused(self, folder: Path) -> str | Finding:
        """Connect with a bundle under another thing's name.

        Returns:
            In what words that was refused, or what is wrong.

        Raises:
            UsageError: The extra ``mqtt`` is not installed.
        """
        try:
            await self._budget.acquire()
            bundle = await anyio.to_thread.run_sync(self._bundle, folder)
            return await mqtt.prove_refused(bundle, limiter=self._threads)
        except mqtt.ProofError as error:
            return _finding(error)

    def _bundle(self, folder: Path) -> mqtt.BundleFiles:
        bundle = mqtt.read_bundle(folder)
        return replace(bundle, port=self.port or bundle.port, opened=self._opened(folder, bundle.thing_name))

    def _opened(self, folder: Path, thing_name: str) -> Secret | None:
        """Return a key in clear whose file is encrypted."""
        if self.opener is None:
            return None
        try:
            key = read_key(folder, thing_name)
            return self.opener.open(key).data if key.encrypted else None
        except (FileNotFoundError, DiskError, KeyNotOpenedError) as error:
            reason = error.message if isinstance(error, ThingmillError) else "it is gone"
            raise mqtt.ProofError(ProofCode.BAD_BUNDLE, f"the key of {thing_name}: {reason}") from None


def _finding(error: mqtt.ProofError) -> Finding:
    advice = f"; {error.advice}" if error.advice else ""
    return Finding(Check.CONNECT, error.code, f"{error.message}{advice}")
