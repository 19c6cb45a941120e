"""A listing of a run never names a device that was taken back: whoever works it off would make that one too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pipeline import files
from pipeline.ledger import live_ledger
from pipeline.purge import listings_in
from pipeline.relisting import relist
from pipeline.report import write_listings
from pipeline.revocation import look
from pipeline.scope import Scope
from tests.revoke.accounts import revoke

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.mill import Mill

pytestmark = pytest.mark.anyio

BOTH = ("bulk-results", "mass-mfg")


async def listed(mill: Mill, rows: str = "one\ntwo\n") -> None:
    """Run a manifest with two listings, and export one of them into the run's folder too."""
    await mill.run(rows, formats=BOTH)
    files.private_folder(mill.folder.exports)
    reader = live_ledger(mill.folder.ledger)
    write_listings(reader, mill.folder, ["bulk-results"], mill.folder.exports)
    reader.close()


def named_in(place: Path) -> list[str]:
    """Return the things that a listing's file of results names."""
    lines = (place / "bulk-results" / "results.json").read_text(encoding="ascii").splitlines()
    return [json.loads(line)["response"]["ResourceArns"]["thing"].split("/")[1] for line in lines]


async def test_a_device_that_is_revoked_is_in_no_listing(mill: Mill) -> None:
    """Those of the run and of its exports are written again with the others alone, whether keys go or not."""
    await listed(mill)
    await revoke(mill, Scope(devices=("one",)))
    assert named_in(mill.folder.root) == named_in(mill.folder.exports) == ["two"]
    values = (mill.folder.root / "mass-mfg" / "values.csv").read_text(encoding="ascii")
    assert len(values.splitlines()) == 2
    assert "devices/two/two.key" in values


async def test_the_plan_names_the_listings(mill: Mill) -> None:
    """By their paths in the run's folder; there is none where nothing is taken back."""
    await listed(mill)
    reader = live_ledger(mill.folder.ledger)
    assert look(reader, mill.folder, Scope()).listings == ("bulk-results", "export/bulk-results", "mass-mfg")
    assert look(reader, mill.folder, Scope(failed_only=True)).listings == ()
    reader.close()


async def test_listings_go_with_the_last_device_of_a_purge(mill: Mill) -> None:
    """While a device is left they stay with it; then their folders are removed, and a second time nothing is."""
    await listed(mill)
    await revoke(mill, Scope(devices=("one",), purge=True))
    assert named_in(mill.folder.root) == ["two"]
    for _ in range(2):
        await revoke(mill, Scope(purge=True))
        assert listings_in(mill.folder) == {}
        assert not (mill.folder.root / "mass-mfg").exists()


async def test_without_a_purge_listings_of_nobody_are_empty(mill: Mill) -> None:
    """What a run made stays on disk, and names nobody."""
    await listed(mill)
    await revoke(mill, Scope())
    assert named_in(mill.folder.root) == named_in(mill.folder.exports) == []


async def test_a_foreign_file_keeps_a_listings_folder_and_is_said(mill: Mill) -> None:
    """It may hold what somebody made from the listing, keys even: the listing goes, and the rest is named."""
    await listed(mill)
    (mill.folder.root / "mass-mfg" / "one.bin").write_bytes(b"made from it")
    told = await revoke(mill, Scope(purge=True))
    assert "not of the listing" in told.kept["mass-mfg"]
    assert [path.name for path in (mill.folder.root / "mass-mfg").iterdir()] == ["one.bin"]


@pytest.mark.parametrize("purge", [False, True])
async def test_a_link_in_a_listings_place_is_not_followed(mill: Mill, tmp_path: Path, purge: bool) -> None:
    """Nothing is written or removed where it leads to, and it is said."""
    await mill.run("one\n")
    outside = tmp_path / "outside"
    files.private_folder(outside)
    files.fill(outside, {"results.json": b"somebody's"})
    (mill.folder.root / "bulk-results").symlink_to(outside)
    await revoke(mill, Scope())
    reader = live_ledger(mill.folder.ledger)
    assert list(relist(reader, mill.folder, purge=purge).stays) == ["bulk-results"]
    reader.close()
    assert (outside / "results.json").read_bytes() == b"somebody's"
