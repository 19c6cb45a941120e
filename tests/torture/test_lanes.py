"""Devices are given out to lanes once each, also while the ledger changes under the hand that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline import lanes
from pipeline.device import State
from pipeline.ledger import reader
from tests.core.mill import Mill
from tests.support.awsiot import AwsIotDouble, Drop, Fail, Slow
from tests.torture.checker import one_each

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("aws_keys")
def test_a_doubt_that_moves_on_is_not_given_out_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device in doubt that is settled while the rest is still being read stays one lane's alone."""
    monkeypatch.setattr(lanes, "LANES", 2)
    monkeypatch.setattr(reader, "_PAGE", 2)
    names = [f"n{number:02}" for number in range(16)]
    manifest = "".join(f"{name}\n" for name in names)

    async def play() -> None:
        async with AwsIotDouble() as double:
            mill = Mill(double, tmp_path)
            for name in names[:-1]:
                double.faults.script("DescribeThing", Fail("InvalidRequestException"), subject=name)
            double.faults.script("CreateCertificateFromCsr", Drop(after=True))
            double.faults.script("ListCertificates", Fail("InvalidRequestException"))
            await mill.run(manifest)
            assert mill.entry(names[-1]).state is State.REQUESTED
            # Long enough on its way for all the others to pass it by.
            double.faults.script("AttachThingPrincipal", Slow(2.0), subject=names[-1])
            await mill.run(manifest)
            one_each(mill, names)

    anyio.run(play)
