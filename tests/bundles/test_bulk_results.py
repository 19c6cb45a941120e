"""``--format bulk-results``: the lines that AWS bulk registration reports, for every device that is done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pipeline import files
from pipeline.cli.options import resolve
from pipeline.errors import UsageError
from pipeline.report import listings
from tests.core.mill import DOCUMENT, POLICY, Mill
from tests.preflight.findings import told
from tests.support.awsiot import Fail
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.awsiot import AwsIotDouble

pytestmark = pytest.mark.anyio


@pytest.fixture
def mill(double: AwsIotDouble, tmp_path: Path, aws_keys: None) -> Mill:  # noqa: ARG001  a client wants keys
    """A mill that runs manifests against a double of AWS IoT."""
    return Mill(double, tmp_path)


def results(mill: Mill) -> dict[str, dict[str, Any]]:
    """Return the results by thing's name, as AWS's samples find it: behind the first slash of the thing's ARN."""
    lines = (mill.folder.root / "bulk-results" / "results.json").read_text(encoding="ascii").splitlines()
    found = [json.loads(line) for line in lines]
    return {each["response"]["ResourceArns"]["thing"].split("/")[1]: each for each in found}


async def test_there_is_a_line_for_each_device_with_what_was_made_for_it(mill: Mill) -> None:
    """Its line in the manifest, its certificate to the bit, and ARNs of its account and Region by AWS's names."""
    own = make_csr("own").pem.replace("\n", "\\n")
    rows = ['{"name": "one"}', '{"name": "two", "policy": "other"}', f'{{"name": "own", "csr": "{own}"}}']
    mill.double.account.create_policy("other", DOCUMENT)
    await mill.run("\n".join(rows) + "\n", suffix=".jsonl", formats=("bulk-results",))
    found = results(mill)
    assert {name: each["lineNumber"] for name, each in found.items()} == {"one": 1, "two": 2, "own": 3}
    for name, policy in (("one", POLICY), ("two", "other"), ("own", POLICY)):
        response, certificate = found[name]["response"], mill.entry(name).certificate
        assert certificate is not None
        assert response["CertificatePem"] == mill.bundled(name)
        account = certificate.arn.removesuffix(f"cert/{certificate.certificate_id}")
        assert response["ResourceArns"] == {
            "thing": f"{account}thing/{name}",
            "certificate": certificate.arn,
            "policy": f"{account}policy/{policy}",
        }


async def test_a_device_without_a_policy_has_none_in_its_line(mill: Mill) -> None:
    """Nothing is named that was not attached."""
    await mill.run(policy=None, formats=("bulk-results",))
    assert set(results(mill)["one"]["response"]["ResourceArns"]) == {"thing", "certificate"}


async def test_only_devices_that_are_done_are_listed(mill: Mill) -> None:
    """One that failed is not, and it is once the run was gone on with."""
    mill.double.faults.script("AttachPolicy", Fail("InvalidRequestException"), subject="two", times=1)
    await mill.run("one\ntwo\n", formats=("bulk-results",))
    assert list(results(mill)) == ["one"]
    await mill.run("one\ntwo\n", formats=("bulk-results",))
    assert list(results(mill)) == ["one", "two"]


async def test_a_listing_is_the_same_each_time(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written again, in pieces of another size, it has the same bytes, in a folder that is 0700."""
    names = [f"t{number:03}" for number in range(40)]
    manifest = "\n".join(names) + "\n"
    await mill.run(manifest, formats=("bulk-results",))
    place = mill.folder.root / "bulk-results"
    before = (place / "results.json").read_bytes()
    assert list(results(mill)) == names
    monkeypatch.setattr(listings, "_CHUNK", 100)
    (place / ".0123456789abcdef.tmp").write_bytes(b"half")
    await mill.run(manifest, formats=("bulk-results",))
    assert (place / "results.json").read_bytes() == before
    assert [path.name for path in place.iterdir()] == ["results.json"]
    assert place.stat().st_mode & 0o777 == 0o700


async def test_a_bundle_that_was_taken_away_is_missed_and_said(mill: Mill) -> None:
    """Rows may be added after bundles were handed out: the others are listed, and the run counts the rest."""
    await mill.run("one\ntwo\nthree\n", formats=("bulk-results",))
    mill.folder.bundle("one").rename(mill.home / "handed-out")
    files.replace_whole(mill.folder.bundle("two") / "two.pem", b"something else")
    notes = await told(mill, "one\ntwo\nthree\nfour\n", formats=("bulk-results",))
    assert list(results(mill)) == ["three", "four"]
    assert "bulk-results lacks 2 devices: their bundles were taken away or changed" in notes


async def test_a_run_without_the_option_has_no_listing(mill: Mill) -> None:
    """And no bundle has a folder of a listing's name."""
    await mill.run()
    assert not (mill.folder.root / "bulk-results").exists()
    await mill.run("one\ntwo\n")
    assert [path for path in mill.folder.devices.rglob("*") if path.is_dir()] == sorted(
        mill.folder.bundle(name) for name in ("one", "two")
    )


async def test_a_listing_is_asked_for_like_a_format() -> None:
    """The command line takes both under one option, each once, and names both where neither is meant."""
    settings = resolve("line.csv", {"format": ["bulk-results", "pem", "bulk-results"]}, {})
    assert settings.formats == ("bulk-results",)
    with pytest.raises(UsageError) as caught:
        resolve("line.csv", {"format": ["bulk-result"]}, {})
    assert "bulk-results" in caught.value.advice
