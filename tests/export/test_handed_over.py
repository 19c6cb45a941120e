"""A run's folder may come from somebody else: what an export takes from it is held to what a run writes."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.verify.test_offline import change_ledger, spread_out

if TYPE_CHECKING:
    from pathlib import Path

    from tests.export.conftest import Exporting


def hand_over(root: Path, **changes: Any) -> None:  # noqa: ANN401  any JSON
    """Change a bundle's configuration, and the ledger so that it agrees."""
    bundle = root / "devices" / "one"
    path = bundle / "config.json"
    config = json.loads(path.read_text())
    for key, value in changes.items():
        config[key.replace("_", "-")] = value
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    found = [each for each in bundle.iterdir() if each.suffix != ".key"]
    sums = {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in found}
    change_ledger(root, "one", files=json.dumps(sums))


@pytest.mark.parametrize(
    "changes",
    [
        {"root_ca": "../../../elsewhere.txt"},
        {"port": "8883\nservices: {}"},
        {"port": True},
        {"endpoint": None},
        {"endpoint": "a b"},
        {"thing_name": "two"},
    ],
    ids=["path", "text for a port", "no number", "no endpoint", "no host", "another thing"],
)
def test_a_configuration_that_no_run_wrote_is_not_exported(
    root: Path, exporting: Exporting, changes: dict[str, Any]
) -> None:
    """It is that device's problem alone: the others are exported, and nothing of it is, nor of another folder."""
    (root.parent / "elsewhere.txt").write_text("somebody's")
    hand_over(root, **changes)
    said = exporting("--format", "greengrass", "--format", "c-header", expect=1)
    assert "one: its bundle is not as a run writes it" in said
    assert "3 of 4 devices exported" in said
    assert not (root / "export" / "greengrass" / "one").exists()


def test_roots_that_are_no_certificates_are_not_exported(root: Path, exporting: Exporting) -> None:
    """What stands in the roots' file is read as certificates before it is handed on."""
    (root / "devices" / "one" / "root-ca.pem").write_text("somebody's secret")
    hand_over(root)
    assert "one: its bundle is not as a run writes it" in exporting("--format", "tar", expect=1)


def test_an_export_goes_nowhere_that_everybody_may_rename(
    root: Path, exporting: Exporting, tmp_path: Path
) -> None:
    """As with the folder of a run, a folder above that is writable by all and not sticky is refused."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    said = exporting("--format", "pem", "--to", str(shared / "export"), expect=1)
    assert "everybody may rename what is in" in said
    assert list(shared.iterdir()) == []
    assert root.exists()


def test_a_shard_that_is_a_link_is_not_followed(root: Path, exporting: Exporting, tmp_path: Path) -> None:
    """A run of which a part of devices/ leads elsewhere hands out and lists nothing of what is there."""
    spread = spread_out(root)
    shard = spread.bundle("one").parent
    shard.rename(tmp_path / "elsewhere")
    shard.symlink_to(tmp_path / "elsewhere")
    said = exporting("--format", "pem", "--format", "bulk-results", expect=1)
    assert "one: what its folder stands in is a link, which is not followed" in said
    assert "bulk-results lacks 1 device: its bundle was taken away or changed" in said
    assert not spread.below(root / "export" / "pem", "one").exists()
