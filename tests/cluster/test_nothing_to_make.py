"""A run that is given a cluster, and asks it for something only where a key is left to be made."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pipeline.device import State
from pipeline.errors import ThingmillError
from pipeline.workshop import Workshop
from tests.cluster.local import NOWHERE
from tests.core.mill import Mill
from tests.support.awsiot import AwsIotDouble, Fail
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.stop import Stop

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("aws_keys", "soft")]

MIXED = "name,csr\none,\nown,own.csr\n"


@pytest.mark.parametrize("added", [False, True])
async def test_a_run_that_makes_no_key_waits_for_no_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, added: bool
) -> None:
    """A row that brings its CSR, and a key that lies there unrecorded, need none; a row that was added does."""
    asked: list[Stop] = []

    async def prepare(_: Workshop, stop: Stop) -> None:
        asked.append(stop)
        raise ThingmillError("nobody there")

    (tmp_path / "own.csr").write_text(make_csr("own").pem, encoding="ascii")
    async with AwsIotDouble() as double:
        mill = Mill(double, tmp_path)
        double.faults.script("CreateThing", Fail("InvalidRequestException"), subject="own")
        double.faults.script("CreateCertificateFromCsr", Fail("InvalidRequestException"), subject="one")
        await mill.run(MIXED, suffix=".csv")
        with closing(sqlite3.connect(mill.folder.ledger)) as ledger, ledger:
            killed = "UPDATE devices SET state = ?, spki_sha256 = NULL WHERE thing_name = 'one'"
            ledger.execute(killed, (int(State.PLANNED),))
        monkeypatch.setattr(Workshop, "prepare", prepare)
        if added:
            with pytest.raises(ThingmillError, match="nobody there"):
                await mill.run(MIXED + "two,\n", suffix=".csv", cluster=NOWHERE)
        else:
            await mill.run(MIXED, suffix=".csv", cluster=NOWHERE)
            assert (mill.state("one"), mill.state("own")) == (State.DONE, State.DONE)
        assert len(asked) == added
