"""``--format mass-mfg``: what ESP-IDF's manufacturing utility makes all partitions of a run from."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.bundles import esp_nvs
from pipeline.bundles.listing import Listed
from pipeline.bundles.mass_mfg import MASS_MFG, MASS_MFG_CSR
from pipeline.device import Certificate, Device
from tests.bundles.devices import tool
from tests.bundles.nvs import read_partition
from tests.core.mill import Mill
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from tests.support.awsiot import AwsIotDouble

pytestmark = pytest.mark.anyio

LISTINGS = ("mass-mfg", "mass-mfg-csr")
SIZE = hex(esp_nvs.SMALLEST)


@pytest.fixture
async def mill(double: AwsIotDouble, tmp_path: Path, aws_keys: None) -> Mill:  # noqa: ARG001  a client wants keys
    """A run of three devices whose keys are at hand, one named like a bundle's file, and one that has its own."""
    own = make_csr("own").pem.replace("\n", "\\n")
    names = ("one", "a:b", "root-ca")
    rows = [*(f'{{"name": "{name}"}}' for name in names), f'{{"name": "own", "csr": "{own}"}}']
    mill = Mill(double, tmp_path)
    await mill.run("\n".join(rows) + "\n", suffix=".jsonl", formats=LISTINGS)
    return mill


@pytest.fixture
def utility() -> Path:
    """ESP-IDF's own, which no package brings; the test that makes the same join without it is run everywhere."""
    path = Path(os.environ.get("IDF_PATH", "/nowhere"), "tools", "mass_mfg", "mfg_gen.py")
    if not path.is_file():
        pytest.skip("needs ESP-IDF, with IDF_PATH set")
    return path


def read(path: Path) -> list[list[str]]:
    with path.open(encoding="ascii", newline="") as file:
        return list(csv.reader(file))


def expected(mill: Mill, name: str) -> dict[str, dict[str, bytes | int]]:
    """Return what the partition of a device holds, out of its bundle."""
    bundle = mill.folder.bundle(name)
    roots = "amazon-root-ca.pem" if name == "root-ca" else "root-ca.pem"
    values: dict[str, bytes | int] = {
        "node_id": name.encode(),
        "ca_cert": (bundle / roots).read_bytes(),
        "client_cert": (bundle / f"{name}.pem").read_bytes(),
    }
    if name != "own":
        values["client_key"] = (bundle / f"{name}.key").read_bytes()
    return {esp_nvs.NAMESPACE: values}


def joined(place: Path) -> dict[str, list[list[str]]]:
    """Join configuration and values as the utility's manual says it does: rows for the generator, by device."""
    configuration, (header, *lines) = read(place / "config.csv"), read(place / "values.csv")
    assert [row[0] for row in configuration[1:]] == header  # the same order
    made: dict[str, list[list[str]]] = {}
    for line in lines:
        values = dict(zip(header, line, strict=True))
        made[values["node_id"]] = [[*row, values.get(row[0], "")] for row in configuration]
    return made


async def test_the_generator_makes_partitions_of_what_is_listed(mill: Mill, tmp_path: Path) -> None:
    """From the run's folder, each line gives a partition with the device's files, and a key where one is ours."""
    found = {}
    for listing in LISTINGS:
        for number, (name, rows) in enumerate(joined(mill.folder.root / listing).items()):
            table = tmp_path / f"{listing}-{number}.csv"
            with table.open("w", encoding="ascii", newline="") as file:
                csv.writer(file).writerows([["key", "type", "encoding", "value"], *rows])
            image = tmp_path / f"{listing}-{number}.bin"
            words = (sys.executable, "-m", "esp_idf_nvs_partition_gen", "generate", str(table), str(image), SIZE)
            tool(*words, folder=mill.folder.root)
            found[name] = read_partition(image.read_bytes())
    assert found == {name: expected(mill, name) for name in ("one", "a:b", "root-ca", "own")}


@pytest.mark.parametrize(
    ("listing", "names"), [("mass-mfg", ("one", "a:b", "root-ca")), ("mass-mfg-csr", ("own",))]
)
async def test_the_utility_makes_the_partitions_of_the_run(
    utility: Path, mill: Mill, tmp_path: Path, listing: str, names: tuple[str, ...]
) -> None:
    """Where ESP-IDF is installed, its own utility takes both files as they are, and names partitions by things."""
    files = [f"{listing}/{name}.csv" for name in ("config", "values")]
    out = ("--fileid", "node_id", "--outdir", str(tmp_path / "out"))
    tool(sys.executable, str(utility), "generate", *files, "line", SIZE, *out, folder=mill.folder.root)
    found = {path.name: read_partition(path.read_bytes()) for path in (tmp_path / "out" / "bin").iterdir()}
    assert found == {f"line-{name}.bin": expected(mill, name) for name in names}


async def test_a_listing_is_of_the_devices_that_it_is_for(mill: Mill) -> None:
    """Those whose key is at hand are in one, those that keep theirs in the other, which names no key."""
    made = {listing: joined(mill.folder.root / listing) for listing in LISTINGS}
    assert list(made["mass-mfg"]) == ["one", "a:b", "root-ca"]
    assert list(made["mass-mfg-csr"]) == ["own"]
    assert b"key" not in MASS_MFG_CSR.header + MASS_MFG_CSR.static["config.csv"]


async def test_no_key_is_in_a_listing(mill: Mill) -> None:
    """Files are named and never quoted, so a listing may be read by anybody."""
    for listing in LISTINGS:
        for path in (mill.folder.root / listing).iterdir():
            assert "-----BEGIN" not in path.read_text(encoding="ascii")


def test_paths_follow_a_bundle_to_where_it_is() -> None:
    """With sharded folders, too, a line has the path from the run's folder, with slashes."""
    listed = Listed(Device("one", 1, "one"), Certificate("", "", "", ""), "devices/76/one", has_key=True)
    line = b"one,devices/76/one/root-ca.pem,devices/76/one/one.pem,devices/76/one/one.key\n"
    assert MASS_MFG.line(listed) == line
