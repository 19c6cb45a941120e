"""Runs of small manifests against a double, and what is asked of them afterwards."""

from __future__ import annotations

import json
import sqlite3
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.aws import client, quotas
from pipeline.aws.caller import Caller
from pipeline.aws.registry import Registry
from pipeline.device import State
from pipeline.layout import RunFolder
from pipeline.ledger import finished_ledger
from pipeline.manifest import load
from pipeline.meter import Meter
from pipeline.run import Run
from pipeline.settings import Access, Defaults, KeyType, Settings
from pipeline.stop import Stop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pipeline.ledger import Entry
    from tests.support.awsiot import AwsIotDouble
    from tests.support.awsiot.records import Certificate

POLICY = "device"
DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": []})
FAST = dict.fromkeys(quotas.DEFAULTS, 5000.0)
"""Quotas that nobody waits for."""


@dataclass
class Mill:
    """A double, and a folder for a manifest and its run.

    The account has the policy ``device`` from the start, and every row gets it.
    """

    double: AwsIotDouble
    home: Path

    def __post_init__(self) -> None:
        if POLICY not in self.double.account.policies:  # another mill of the same account may have made it
            self.double.account.create_policy(POLICY, DOCUMENT)

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.home / "run")

    @property
    def access(self) -> Access:
        return Access(region="eu-west-1", endpoint_url=self.double.url, quotas=FAST)

    def prepare(self, manifest: str = "one\n", *, suffix: str = ".txt", **options: Any) -> Run:  # noqa: ANN401  fields of many types
        """Return a run that is ready to go; ``options`` are fields of ``Settings`` and of ``Defaults``."""
        path = self.home / f"manifest{suffix}"
        path.write_text(manifest, encoding="utf-8")
        fields = {name: options.pop(name) for name in Defaults.__slots__ if name in options}
        defaults = Defaults(**({"policy": POLICY} | fields))
        fixed: dict[str, Any] = {"access": self.access, "key_type": KeyType.EC_P256, "workers": 1}
        settings = Settings(str(path), self.folder.root, defaults=defaults, **(fixed | options))
        return Run(settings, load(str(path), defaults), Meter(), None, settling=0.1)

    async def run(self, manifest: str = "one\n", *, suffix: str = ".txt", **options: Any) -> Run:  # noqa: ANN401  fields of many types
        """Run a manifest, and return the run when it is over; what it raises passes."""
        return await self.finish(self.prepare(manifest, suffix=suffix, **options))

    async def finish(self, run: Run) -> Run:
        """Carry a prepared run out; an error that came through a task group is raised as itself."""
        with run.roster:
            try:
                await run.execute()
            except BaseExceptionGroup as group:
                error: BaseException = group
                while isinstance(error, BaseExceptionGroup):
                    error = error.exceptions[0]
                raise error from None
        return run

    def state(self, name: str) -> State:
        """Return what is committed of a device right now, as another process would see it."""
        with closing(sqlite3.connect(f"{self.folder.ledger.as_uri()}?mode=ro", uri=True)) as connection:
            question = "SELECT state FROM devices WHERE thing_name = ?"
            return State(connection.execute(question, (name,)).fetchone()[0])

    def entry(self, name: str) -> Entry:
        """Return what the ledger of a run that is over says of a device."""
        reader = finished_ledger(self.folder.ledger)
        assert reader is not None
        with closing(reader):
            [entry] = [entry for entry in reader.entries() if entry.device.thing_name == name]
        return entry

    def code(self, name: str) -> str | None:
        """Return why a device failed, or None."""
        error = self.entry(name).error
        return error.code if error else None

    def certificates(self, name: str) -> list[Certificate]:
        """Return the certificates that are on the account for a common name."""
        return self.double.account.certificates_by_common_name().get(name, [])

    def bundled(self, name: str) -> str:
        """Return the certificate in a device's bundle."""
        return (self.folder.bundle(name) / f"{name}.pem").read_text(encoding="ascii")

    def issues(self, name: str | None = None) -> int:
        """Return how many times a certificate was asked for."""
        return self.double.journal.count("CreateCertificateFromCsr", subject=name)


@asynccontextmanager
async def registry_of(mill: Mill) -> AsyncIterator[Registry]:
    """Yield the calls of AWS IoT against a mill's double."""
    address = client.connect(profile=None, region="eu-west-1", endpoint_url=mill.double.url, connections=10)
    async with address as clients:
        yield Registry(clients, Caller(quotas.granted("eu-west-1", FAST), Stop(), jitter=lambda: 0.0))
