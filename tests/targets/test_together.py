"""Before the first device of several runs: what all of them together need of one machine, and of one account."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from pipeline.aws.quotas import DEFAULTS, granted
from pipeline.cli import fleet
from pipeline.fleet import lanes_of_each
from pipeline.manifest import Totals
from pipeline.preflight.remaining import Remaining
from pipeline.settings import KeyType, Settings
from tests.targets.plant import BERLIN, DUBLIN, REGIONS

if TYPE_CHECKING:
    from tests.targets.plant import Plant

ROWS = {BERLIN: [f"b-{number}" for number in range(5)], DUBLIN: [f"d-{number}" for number in range(5)]}
ISSUE = "CreateCertificateFromCsr"


def disk(monkeypatch: pytest.MonkeyPatch, *, free: int, inodes: int = 1000) -> None:
    """Have the file system say that it has so many bytes and inodes free."""
    said = SimpleNamespace(f_frsize=4096, f_bavail=free // 4096, f_files=1000, f_favail=inodes)
    monkeypatch.setattr(os, "statvfs", lambda _: said)


@pytest.mark.parametrize("words", [(), ("--dry-run",)], ids=["run", "look"])
def test_runs_that_do_not_fit_on_the_disk_together_are_refused(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Each alone would fit: what all need is added up, said once, and nothing is begun or asked."""
    plant.lot(ROWS)
    disk(monkeypatch, free=200_000)
    ended = plant.run("lot.csv", *words)
    assert (ended.code, ended.err.count("10 devices need 278 kB at the least")) == (1, 1), ended.err
    disk(monkeypatch, free=10**9, inodes=59)
    ended = plant.run("lot.csv", *words)
    assert (ended.code, ended.err.count("10 devices need 60 inodes, and ")) == (1, 1), ended.err
    assert [plant.calls(profile) for profile in ROWS] == [0, 0]
    assert not (plant.home / "output").exists()


def test_little_room_for_all_is_told_once(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it may just do, the runs go on; what is on the disk needs no room again, on either side."""
    plant.lot(ROWS)
    disk(monkeypatch, free=400_000)
    assert plant.run("lot.csv", "--dry-run").out.count("disk: ") == 1
    plant.doubles[DUBLIN].run(lambda double: double.faults.deny("AttachThingPrincipal"))
    ended = plant.run("lot.csv", "--json")
    assert ended.code == 3, ended.err
    assert ended.out.count("disk: little room in ") == 1
    plant.doubles[DUBLIN].run(lambda double: double.faults.clear())
    disk(monkeypatch, free=4096, inodes=1)
    assert plant.run().code == 0


def test_runs_on_two_disks_need_room_on_each(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose folder is a disk of its own takes none of the room of the others."""
    plant.lot(ROWS)
    plant.folder(f"lot-{BERLIN}").mkdir(parents=True, mode=0o700)
    original, below = Path.stat, plant.folder(f"lot-{BERLIN}").resolve()

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = original(path, follow_symlinks=follow_symlinks)
        if path != below:
            return found
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:]))

    monkeypatch.setattr(Path, "stat", stat)
    disk(monkeypatch, free=200_000)
    assert plant.run("lot.csv", "--dry-run").code == 0


def test_credentials_have_to_last_for_what_all_share(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """At --rate two runs of two devices take as long as four devices: longer than the credentials last."""
    end = datetime.now(UTC) + timedelta(minutes=30)
    for name, value in {
        "AWS_ENDPOINT_URL": plant.doubles[DUBLIN].url,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_CREDENTIAL_EXPIRATION": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }.items():
        monkeypatch.setenv(name, value)
    words = ("--rate", str(1 / 600), "--dry-run")
    plant.write("one.csv", "name,region\na,eu-west-1\nb,eu-west-1\n")
    ended = plant.run("one.csv", *words)
    assert "the run takes about 20 min 00 s\n" in ended.out, ended.err
    plant.write("two.csv", "name,region\na,eu-west-1\nb,eu-west-1\nc,us-east-1\nd,us-east-1\n")
    ended = plant.run("two.csv", *words)
    assert ended.out.count("the run takes about 40 min 00 s beside the others, until about") == 2, ended.err


@pytest.mark.parametrize("rate", [None, 2.0])
@pytest.mark.parametrize("key_type", [KeyType.RSA_4096, KeyType.EC_P256])
def test_what_all_share_takes_as_long_as_for_one_of_their_size(rate: float | None, key_type: KeyType) -> None:
    """Keys, coordination and --rate are reckoned for all; the quotas of the other account hold nobody up here."""
    asked = Settings("lot.csv", Path("lot"), key_type=key_type, workers=2, rate=rate)
    one, both = (Remaining(Totals(n, 0, n, 0), n, {key_type: n}) for n in (1000, 2000))
    ample = granted("", dict.fromkeys(DEFAULTS, 1e6))
    assert one.seconds(ample, asked, [one]) == pytest.approx(both.seconds(ample, asked))
    scarce = granted("", {ISSUE: 0.5})
    assert one.seconds(scarce, asked, [one]) == pytest.approx(2000)
    nothing = Remaining(Totals(0, 0, 0, 0), 0, {})
    assert nothing.seconds(scarce, asked, [one]) == 0


@pytest.mark.parametrize("words", [(), ("--dry-run",)], ids=["run", "look"])
def test_one_account_and_region_by_two_names_is_refused(plant: Plant, words: tuple[str, ...]) -> None:
    """Rows with and without the Region of their profile would be two runs, each with the whole quota."""
    region = REGIONS[BERLIN]
    plant.write("lot.csv", f"thing_name,profile,region\nb-1,{BERLIN},\nb-2,{BERLIN},{region}\nd-1,{DUBLIN},\n")
    ended = plant.run("lot.csv", *words)
    said = (
        f"profile {BERLIN} and profile {BERLIN} in {region} are one and the same, account 123456789012 in {region}"
    )
    assert (ended.code, ended.err.count(said)) == (2, 1), ended.err
    assert f"give --region {region}, or name it in all of these rows" in ended.err
    assert [plant.calls(profile, "CreateThing") for profile in ROWS] == [0, 0]
    assert not (plant.home / "output").exists()
    plant.write("lot.csv", f"thing_name,profile,region\nb-1,{BERLIN},\nb-2,{BERLIN},{region}\n")
    assert plant.run("lot.csv", "--region", region, *words).code == 0


def test_two_profiles_of_one_account_and_region_are_told(plant: Plant) -> None:
    """They may be two roles, so they are two runs; a note names both and what they share."""
    config = plant.home / "aws-config"
    other = config.read_text().partition("[profile dublin]")[0].replace(f"[profile {BERLIN}]", "[profile bonn]")
    config.write_text(config.read_text() + other)
    plant.write("lot.csv", f"thing_name,profile\nb-1,{BERLIN}\nb-2,bonn\nd-1,{DUBLIN}\n")
    said = f"account: profile {BERLIN} and profile bonn are one and the same, account 123456789012 in eu-central-1"
    assert plant.run("lot.csv", "--dry-run").out.count(said) == 1
    ended = plant.run("lot.csv", "--json")
    assert (ended.code, ended.out.count(said)) == (0, 1), ended.err
    assert plant.certified(BERLIN) == {"b-1": 1, "b-2": 1}


def test_runs_that_are_finished_need_no_lanes(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that go on have all devices in work that a process may, however many runs the manifest has."""
    asked: list[int] = []

    def watched(targets: int) -> int:
        asked.append(targets)
        return lanes_of_each(targets)

    monkeypatch.setattr(fleet, "lanes_of_each", watched)
    plant.lot(ROWS)
    plant.doubles[BERLIN].run(lambda double: double.faults.deny(ISSUE))
    assert plant.run().code == 3
    plant.doubles[BERLIN].run(lambda double: double.faults.clear())
    assert plant.run().code == 0
    assert asked == [2, 1]
