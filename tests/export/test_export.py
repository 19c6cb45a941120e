"""Bundles are exported whole, once, to their owner alone, and never from a bundle that is not in order."""

from __future__ import annotations

import json
import shutil
import signal
import stat
from typing import TYPE_CHECKING

import pytest

from pipeline import files
from pipeline.bundles.formats import FORMATS
from pipeline.layout import RunFolder
from pipeline.lock import RunLock
from tests.e2e.command import Workplace, snapshot
from tests.verify.inspecting import NAMES, OWN
from tests.verify.test_offline import change_ledger, spread_out

if TYPE_CHECKING:
    from pathlib import Path

    from tests.export.conftest import Exporting

EVERYBODY = sorted((*NAMES, OWN))


def contents(place: Path) -> dict[str, tuple[bytes, int]]:
    """Return bytes and mode of each file of a folder by name."""
    return {path.name: (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) for path in place.iterdir()}


def test_a_bundle_exported_as_pem_is_the_bundle(root: Path, exporting: Exporting) -> None:
    """Each device's files are those of its bundle to the bit, with their modes, in folders that are 0700."""
    said = exporting("--format", "pem")
    for name in EVERYBODY:
        assert contents(root / "export" / "pem" / name) == contents(root / "devices" / name)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (root / "export").rglob("*") if path.is_dir()} == {0o700}
    assert "4 of 4 devices exported" in said


def test_a_format_is_made_from_the_bundle_alone(root: Path, exporting: Exporting) -> None:
    """Endpoint, roots, certificate and key are the bundle's, and what holds a key is 0400."""
    exporting("--format", "roll", "--format", "salted")
    bundle = root / "devices" / "one"
    config = json.loads((bundle / "config.json").read_text())
    rolled = contents(root / "export" / "roll" / "one")
    lines = rolled["one.roll"][0].decode().split("\n", 1)
    assert lines[0] == f"{config['endpoint']}:{config['port']}"
    assert lines[1] == (bundle / "one.pem").read_text() + (bundle / "root-ca.pem").read_text()
    assert rolled["one.rolled-key"] == ((bundle / "one.key").read_bytes()[::-1], 0o400)
    assert set(contents(root / "export" / "roll" / OWN)) == {f"{OWN}.roll"}
    assert sorted(path.name for path in (root / "export" / "salted").iterdir()) == sorted(NAMES)


def test_an_export_that_is_done_changes_nothing(root: Path, exporting: Exporting) -> None:
    """Run again, what is there and the same is left as it is, also where making it again gives other bytes."""
    exporting("--format", "pem", "--format", "roll", "--format", "salted")
    before = snapshot(root / "export")
    said = exporting("--format", "pem", "--format", "roll", "--format", "salted")
    assert snapshot(root / "export") == before
    assert "there     11:" in said


def test_the_run_itself_is_as_it_was(root: Path, exporting: Exporting, tmp_path: Path) -> None:
    """No byte of the run's bundles, ledger and reports is changed."""
    before = {name: found for name, found in snapshot(root).items() if not name.startswith(".lock")}
    exporting("--format", "roll", "--to", str(tmp_path / "line" / "7"))
    after = {name: found for name, found in snapshot(root).items() if not name.startswith(".lock")}
    assert after == before
    assert sorted(path.name for path in (tmp_path / "line" / "7" / "roll").iterdir()) == EVERYBODY


@pytest.mark.parametrize("fault", ["bytes", "missing", "more", "mode", "open", "link", "file"])
def test_what_differs_is_named_and_not_written_over(root: Path, exporting: Exporting, fault: str) -> None:
    """Whatever stands in a device's place stays as it is, with exit code 1; the other devices are exported."""
    exporting("--format", "roll")
    place = root / "export" / "roll" / "one"
    if fault == "bytes":
        files.replace_whole(place / "one.roll", b"mine")
    elif fault == "missing":
        (place / "one.rolled-key").unlink()
    elif fault == "more":
        (place / "notes").touch()
    elif fault == "mode":
        (place / "one.rolled-key").chmod(0o644)
    elif fault == "open":
        place.chmod(0o755)
    else:
        place.rename(root.parent / "moved")
        place.symlink_to(root.parent / "moved") if fault == "link" else place.touch()
    shutil.rmtree(root / "export" / "roll" / "two")
    before = snapshot(place.parent)
    said = exporting("--format", "roll", expect=1)
    assert f"one: {place}" in said
    assert "3 of 4 devices exported" in said
    assert before.items() <= snapshot(place.parent).items()
    assert (root / "export" / "roll" / "two" / "two.roll").exists()


def test_a_salted_format_of_another_certificate_differs(root: Path, exporting: Exporting) -> None:
    """Other bytes each time do not mean that anything will do."""
    exporting("--format", "salted", "--device", "one", "--device", "two")
    above = root / "export" / "salted"
    (above / "one").rename(above / "elsewhere")
    (above / "two").rename(above / "one")
    said = exporting("--format", "salted", "--device", "one", expect=1)
    assert "is there already and differs" in said


def test_advice_is_about_what_went_wrong(root: Path, exporting: Exporting, tmp_path: Path) -> None:
    """Bundles that are not in order have their codes, to be looked up; only what differs is to be moved away."""
    bundle = root / "devices" / "two" / "two.csr"
    bundle.rename(tmp_path / "kept")
    said = exporting("--format", "roll", "--to", str(tmp_path / "fresh"), expect=1)
    assert "two: two.csr is missing (FileMissing)" in said
    assert "by the codes in brackets" in said
    assert "move it away" not in said
    (tmp_path / "kept").rename(bundle)
    files.replace_whole(tmp_path / "fresh" / "roll" / "one" / "one.roll", b"mine")
    said = exporting("--format", "roll", "--to", str(tmp_path / "fresh"), expect=1)
    assert "what differs is never written over: move it away, or give another --to" in said
    assert "codes in brackets" not in said


@pytest.mark.parametrize("suffix", ["key", "pem", "csr"])
def test_a_wrong_pair_is_not_handed_out(root: Path, exporting: Exporting, suffix: str) -> None:
    """Keys, certificates or CSRs that changed places between bundles are found before anything is written."""
    one, two = (root / "devices" / name / f"{name}.{suffix}" for name in ("one", "two"))
    other = one.with_name("other")
    one.rename(other)
    two.rename(one)
    other.rename(two)
    said = exporting("--format", "pem", "--format", "roll", expect=1)
    assert f"one.{suffix}" in said
    assert f"two.{suffix}" in said
    for name in ("pem", "roll"):
        assert sorted(path.name for path in (root / "export" / name).iterdir()) == sorted(["three", OWN])


def test_what_a_killed_export_left_is_finished(root: Path, exporting: Exporting) -> None:
    """A folder that was being filled is filled anew and gets its name; half-written and other files in it go."""
    exporting("--format", "roll", "--device", "one")
    folder = RunFolder(root)
    above = root / "export" / "roll"
    whole = contents(above / "one")
    partial = folder.partial(above, "one")
    (above / "one").rename(partial)
    (partial / "one.rolled-key").unlink()
    (partial / ".0123456789abcdef.tmp").write_bytes(b"half")
    (partial / "of-an-older-version").write_bytes(b"")
    files.replace_whole(partial / "one.roll", b"stale")
    exporting("--format", "roll", "--device", "one")
    assert contents(above / "one") == whole
    assert not partial.exists()


def test_a_sharded_run_is_exported_in_its_own_layout(root: Path, exporting: Exporting) -> None:
    """With --shard there are two hex digits between the format and the device, as among the bundles."""
    spread = spread_out(root)
    exporting("--format", "pem")
    for name in EVERYBODY:
        place = root / "export" / "pem" / spread.bundle(name).relative_to(root / "devices")
        assert contents(place) == contents(spread.bundle(name))


def test_only_the_devices_asked_for_are_exported(root: Path, exporting: Exporting) -> None:
    """A name twice is one device, and one that is not in the run is refused before anything is written."""
    assert "nobody" in exporting("--format", "roll", "--device", "one", "--device", "nobody", expect=2)
    assert not (root / "export").exists()
    exporting("--format", "roll", "--device", "one", "--device", "one")
    assert [path.name for path in (root / "export" / "roll").iterdir()] == ["one"]


def test_devices_that_are_not_done_are_not_exported(root: Path, exporting: Exporting) -> None:
    """They are passed over, and named where they were asked for; a run with none that is done is no success."""
    change_ledger(root, "one", state=7)
    change_ledger(root, "two", outcome="revoked")
    exporting("--format", "pem")
    assert sorted(path.name for path in (root / "export" / "pem").iterdir()) == sorted(["three", OWN])
    said = exporting("--format", "pem", "--device", "one", "--device", "two", expect=1)
    assert "one: it is not done" in said
    assert "two: it is not done" in said
    for name in ("three", OWN):
        change_ledger(root, name, state=3)
    exporting("--format", "pem", expect=1)


def test_a_folder_that_others_may_enter_gets_no_key(root: Path, exporting: Exporting, tmp_path: Path) -> None:
    """It is refused before the first device, and so is a link in the place of a format's folder."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    said = exporting("--format", "pem", "--to", str(shared), expect=1)
    assert "can be entered by other users" in said
    assert "choose another --to" in said
    assert "devices exported" not in said
    assert list(shared.iterdir()) == []
    files.private_folder(root / "export")
    (root / "export" / "pem").symlink_to(tmp_path)
    exporting("--format", "pem", expect=1)
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize("place", ["", "devices", "staging", "elsewhere"])
def test_the_runs_own_folders_are_no_place_to_export_to(root: Path, exporting: Exporting, place: str) -> None:
    """What stands among a run's bundles is of that run, and export/ is the one folder in it for exports."""
    before = snapshot(root / "devices")
    assert "inside the run's own folder" in exporting("--format", "pem", "--to", str(root / place), expect=2)
    assert snapshot(root / "devices") == before
    exporting("--format", "pem", "--to", str(root / "export" / "monday"))


def test_a_run_that_is_in_use_is_not_exported(root: Path, exporting: Exporting) -> None:
    """Whoever has it may be taking it back."""
    with RunLock(root / ".lock"):
        assert "in use by process" in exporting("--format", "pem", expect=4)
    assert not (root / "export").exists()


def test_a_format_that_there_is_not_is_refused(exporting: Exporting) -> None:
    """Those that there are, listings among them, are named."""
    said = exporting("--format", "floppy", expect=2)
    assert "there is no format floppy" in said
    assert "bulk-results" in said


def test_json_is_an_object_for_each_device_and_a_summary(root: Path, exporting: Exporting) -> None:
    """Programs learn what became of each device in each format, and why not."""
    (root / "devices" / "two" / "two.pem").unlink()
    lines = [json.loads(line) for line in exporting("--format", "salted", "--json", expect=1).splitlines()]
    summary = lines.pop()
    by_name = {line["thing"]: line for line in lines}
    assert by_name["one"] == {
        "event": "exported",
        "thing": "one",
        "formats": {"salted": "written"},
        "problems": [],
    }
    assert by_name[OWN]["formats"] == {"salted": "left out"}
    assert (by_name["two"]["event"], by_name["two"]["problems"]) == (
        "failed",
        ["two.pem is missing (FileMissing)"],
    )
    assert (summary["event"], summary["devices"], summary["failed"], summary["written"]) == ("summary", 4, 1, 2)


def test_a_listing_is_exported_too(root: Path, exporting: Exporting) -> None:
    """It has a line for every device that is done, and is not made of some devices only."""
    said = exporting("--format", "bulk-results")
    assert f"listing   {root / 'export' / 'bulk-results' / 'results.json'}" in said.splitlines()
    lines = (root / "export" / "bulk-results" / "results.json").read_text().splitlines()
    assert len(lines) == len(EVERYBODY)
    exporting("--format", "bulk-results", "--device", "one", expect=2)


@pytest.mark.parametrize("failpoint", ["file.create:3", "file.synced:8", "bundle.rename:2", "bundle.renamed:2"])
def test_an_export_that_is_killed_goes_on(root: Path, failpoint: str) -> None:
    """Wherever it is killed, what has its name is whole, and the next one completes the rest."""
    place = root / "export" / "pem"
    killed = Workplace(root.parent, {"THINGMILL_FAILPOINTS": failpoint})
    killed.run("export", "run", "--format", "pem", expect=-signal.SIGKILL)
    for path in place.iterdir():
        assert path.name.startswith(".") or contents(path) == contents(root / "devices" / path.name)
    assert "4 of 4 devices exported" in Workplace(root.parent).run("export", "run", "--format", "pem").stdout
    assert sorted(path.name for path in place.iterdir()) == EVERYBODY


def test_every_format_that_there_is_can_be_exported_again(root: Path, exporting: Exporting) -> None:
    """What a format makes the second time is what it made the first time, or is found to be the same."""
    every = [word for name in FORMATS for word in ("--format", name)]
    exporting(*every)
    before = snapshot(root / "export")
    exporting(*every)
    assert snapshot(root / "export") == before
    modes = {path.stat().st_mode & 0o777 for path in (root / "export").rglob("*") if path.is_file()}
    assert modes == {0o400, 0o644}
