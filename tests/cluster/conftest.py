"""A place for runs on a cluster: a double of AWS IoT, an authority, and Dask's configuration kept out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.authority import Authority
from tests.cluster.line import Line
from tests.e2e.command import KEYS, Workplace
from tests.support.awsiot import DoubleThread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    """Without an account, and without a configuration of Dask."""
    return Workplace(tmp_path / "output", KEYS | {"DASK_CONFIG": str(tmp_path / "dask")})


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """With an account, and with a certificate for a cluster."""
    authority = Authority(tmp_path / "authority")
    with DoubleThread() as double:
        double.run(lambda d: d.account.create_policy("device", '{"Version": "2012-10-17", "Statement": []}'))
        environment = KEYS | authority.client()
        environment |= {"AWS_ENDPOINT_URL": double.url, "DASK_CONFIG": str(tmp_path / "dask")}
        yield Line(tmp_path, authority, double, Workplace(tmp_path / "output", environment))


@pytest.fixture
def soft(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a worker or a run is the process of the tests, that stays as it is."""
    monkeypatch.setattr("pipeline.cluster.job.harden", lambda: None)
    monkeypatch.setattr("pipeline.cluster.making.harden", lambda: None)


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt to connect ends soon, and what changes in a cluster is seen soon."""
    monkeypatch.setattr("pipeline.cluster.connection._CONNECT_SECONDS", 0.5)
    monkeypatch.setattr("pipeline.cluster.executor._LOOK_SECONDS", 0.2)
