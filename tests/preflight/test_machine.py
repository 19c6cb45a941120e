"""The machine: a file system that keeps a key to its owner, room for the whole run, and the time."""

from __future__ import annotations

import errno
import os
import secrets
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.bundles.formats import FORMATS, Format
from pipeline.bundles.roots import amazon_roots
from pipeline.errors import DiskError
from pipeline.preflight import machine
from pipeline.secret import Secret
from tests.core.mill import Mill
from tests.preflight.findings import assert_untouched, found, told
from tests.support.awsiot import AwsIotDouble
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.bundles.parts import Contents, Parts

pytestmark = pytest.mark.anyio

TEN = "".join(f"thing{n}\n" for n in range(10))


def disk(monkeypatch: pytest.MonkeyPatch, *, free: int, inodes: int = 1000, of: int = 1000) -> None:
    """Have the file system say that it has so many bytes and inodes free, of so many inodes."""
    said = SimpleNamespace(f_frsize=4096, f_bavail=free // 4096, f_files=of, f_favail=inodes)
    monkeypatch.setattr(os, "statvfs", lambda _: said)


async def test_a_disk_that_cannot_hold_the_run_is_refused(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is needed and what is free are named, with the folder, before anything is done."""
    disk(monkeypatch, free=200_000)
    with pytest.raises(DiskError, match=r"10 devices need 278 kB at the least, and \S+ has 197 kB free") as caught:
        await mill.run(TEN)
    assert caught.value.exit_code == 1
    assert "--output" in caught.value.advice
    assert_untouched(mill)


async def test_too_few_inodes_are_refused(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five files and a folder for each device have to have one."""
    disk(monkeypatch, free=10**9, inodes=59)
    with pytest.raises(DiskError, match=r"10 devices need 60 inodes, and .* has 59 free"):
        await mill.run(TEN)
    assert_untouched(mill)


async def test_a_file_system_without_a_number_of_inodes_has_no_end_of_them(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Btrfs says 0 of 0; and it packs small files, so less room is needed for certain."""
    disk(monkeypatch, free=200_000, inodes=0, of=0)
    finding = (await found(mill, TEN))["disk"]
    assert "inodes" not in finding.text
    assert "91 kB" in finding.text


async def test_little_room_is_told(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it may just do, the run goes on and says so."""
    disk(monkeypatch, free=400_000)
    assert any(note.startswith("disk: little room in ") for note in await told(mill, TEN))


async def test_what_is_on_the_disk_needs_no_more_room(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is resumed needs room for the rest only."""
    await mill.run(TEN)
    disk(monkeypatch, free=5 * 4096 * 20, inodes=12)
    assert not (await found(mill, TEN))["disk"].worrying
    assert (await found(mill, TEN + "last\none more\n".replace(" ", "-")))["disk"].worrying


async def test_a_device_with_its_own_key_needs_one_file_less(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its key is not on this disk."""
    pem = make_csr("pump").pem.replace("\n", "\\n")
    disk(monkeypatch, free=10**9, inodes=5)
    finding = (await found(mill, f'{{"thing_name": "pump", "csr": "{pem}"}}\n', suffix=".jsonl"))["disk"]
    assert "of 5 free inodes 5" in finding.text


async def test_a_run_takes_no_less_than_what_is_said(mill: Mill) -> None:
    """A refusal for lack of room is never wrong: real bundles are at least as large as reckoned."""
    await mill.run(TEN)
    status = os.statvfs(mill.home)
    block = min(status.f_frsize, machine.LARGEST_BLOCK) if status.f_files else 1
    entries = [path.lstat() for path in mill.folder.root.rglob("*")]
    sizes = [entry.st_blocks * 512 for entry in entries] if block > 1 else [entry.st_size for entry in entries]
    assert machine.least(10, 0, len(amazon_roots()), block) <= sum(sizes)
    bundles = [*mill.folder.devices.iterdir(), *mill.folder.devices.glob("*/*")]
    assert len(bundles) == 10 * machine.BUNDLE_INODES


@pytest.fixture
def rolled(monkeypatch: pytest.MonkeyPatch) -> str:
    """A format of two files, 5,000 bytes with the key and 100 without, or of one where there is no key."""

    def roll(parts: Parts) -> Contents:
        public: dict[str, bytes | Secret] = {"roll.txt": bytes(100)}
        return public if parts.key is None else public | {"roll.key": Secret(bytes(5000))}

    monkeypatch.setitem(FORMATS, "roll", Format(roll, "a test"))
    return "roll"


async def test_further_formats_need_more_room(mill: Mill, monkeypatch: pytest.MonkeyPatch, rolled: str) -> None:
    """Each of their files is counted in blocks, and with their folder as inodes: two files and a folder here."""
    disk(monkeypatch, free=10**9, inodes=89)
    with pytest.raises(DiskError, match=r"10 devices need 90 inodes, and .* has 89 free"):
        await mill.run(TEN, formats=(rolled,))
    disk(monkeypatch, free=300_000)
    with pytest.raises(DiskError, match=r"10 devices need 401 kB at the least"):
        await mill.run(TEN, formats=(rolled,))
    assert_untouched(mill)
    disk(monkeypatch, free=10**9)
    assert "of 1,000 free inodes 60" in (await found(mill, TEN, formats=("bulk-results",)))["disk"].text


async def test_a_format_without_a_key_needs_less(mill: Mill, monkeypatch: pytest.MonkeyPatch, rolled: str) -> None:
    """A device that keeps its own key has one file less of the format, and none of one that needs a key."""
    pem = make_csr("pump").pem.replace("\n", "\\n")
    manifest = f'{{"thing_name": "pump", "csr": "{pem}"}}\n'
    monkeypatch.setitem(FORMATS, "keyed", Format(lambda _: {"file": b""}, "a test", needs_key=True))
    disk(monkeypatch, free=10**9)
    finding = (await found(mill, manifest, suffix=".jsonl", formats=(rolled, "keyed")))["disk"]
    assert "of 1,000 free inodes 7" in finding.text


def left_behind(mill: Mill, age: float) -> Path:
    """Make the trial of another process, begun so many seconds ago."""
    trial = mill.home / f"{machine.TRIAL}{age:.0f}"
    trial.mkdir()
    (trial / "key").touch(0o400)
    os.utime(trial, (time.time() - age,) * 2)
    return trial


def open_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.mkdir

    def mkdir(self: Path, mode: int = 0o777, **options: Any) -> None:  # noqa: ANN401  as the real one
        real(self, mode, **options)
        if self.name.startswith(machine.TRIAL):
            self.chmod(0o755)

    monkeypatch.setattr(Path, "mkdir", mkdir)


def refusing(name: str, code: int) -> Callable[[pytest.MonkeyPatch], None]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return lambda monkeypatch: monkeypatch.setattr(os, name, refuse)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (open_to_all, "made with mode 0700 has mode 0755"),
        (refusing("fchmod", errno.EPERM), "Operation not permitted"),
        (refusing("link", errno.ENOTSUP), "not supported"),
        (refusing("fsync", errno.EINVAL), "Invalid argument"),
    ],
    ids=["modes", "chmod", "link", "fsync"],
)
async def test_a_file_system_that_cannot_keep_a_key_is_refused(
    mill: Mill, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[pytest.MonkeyPatch], None], reason: str
) -> None:
    """Modes, hard links and fsync are tried out where the run will be; the refusal says what to choose instead."""
    spoil(monkeypatch)
    with pytest.raises(DiskError, match="cannot hold private keys") as caught:
        await mill.run()
    assert reason in caught.value.message
    assert "exFAT" in caught.value.advice
    assert_untouched(mill)


async def test_a_full_disk_is_not_blamed_on_its_kind(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other refusals keep their own words."""
    refusing("link", errno.ENOSPC)(monkeypatch)
    with pytest.raises(DiskError, match="No space left") as caught:
        await mill.run()
    assert "exFAT" not in caught.value.advice
    assert_untouched(mill)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_an_output_folder_that_cannot_be_written_is_found_first(mill: Mill) -> None:
    """It is told before anything is asked to be made."""
    mill.home.chmod(0o500)
    try:
        with pytest.raises(DiskError, match="Permission denied"):
            await found(mill)
    finally:
        mill.home.chmod(0o700)
    assert_untouched(mill)


async def test_looking_leaves_nothing_in_a_run_that_is_there(mill: Mill) -> None:
    """A dry run on an existing run tries the file system out there, and takes everything away again."""
    await mill.run()
    before = sorted(path.name for path in mill.folder.root.iterdir())
    assert (await found(mill))["file system"].text
    assert sorted(path.name for path in mill.folder.root.iterdir()) == before


async def test_what_a_killed_process_left_of_its_trial_goes_with_the_next(mill: Mill) -> None:
    """A trial that is more than an hour old is removed, and one that may be going on is left alone."""
    old, young = left_behind(mill, age=3700), left_behind(mill, age=3500)
    await found(mill)
    assert (old.exists(), young.exists()) == (False, True)


async def test_the_trials_of_other_users_are_left_alone(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """However old they are: an output folder may be shared."""
    old = left_behind(mill, age=10**6)
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    await found(mill)
    assert old.exists()


async def test_a_link_named_like_a_trial_is_left_alone(mill: Mill) -> None:
    """Nothing is removed through it either."""
    target = mill.home / "precious"
    target.mkdir()
    link = mill.home / f"{machine.TRIAL}link"
    link.symlink_to(target)
    os.utime(link, (0, 0), follow_symlinks=False)
    await found(mill)
    assert link.is_symlink()
    assert target.exists()


async def test_trials_at_the_same_time_have_names_of_their_own(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes with one id, as in containers that share a disk, are not in each other's way."""
    names: set[str] = set()
    real = Path.mkdir

    def mkdir(self: Path, mode: int = 0o777, **options: Any) -> None:  # noqa: ANN401  as the real one
        names.update({self.name} if self.name.startswith(machine.TRIAL) else ())
        real(self, mode, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    await found(mill)
    await found(mill)
    assert len(names) == 2


async def test_a_name_that_is_taken_is_a_failure_of_the_disk(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with 1 and a sentence, and what has the name stays."""
    monkeypatch.setattr(secrets, "token_hex", lambda _: "taken")
    taken = mill.home / f"{machine.TRIAL}taken"
    taken.mkdir()
    with pytest.raises(DiskError, match=r"cannot try out the file system of .*: File exists") as caught:
        await found(mill)
    assert caught.value.exit_code == 1
    assert taken.exists()


async def test_a_trial_that_somebody_removes_is_a_failure_of_the_disk(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as one, and not blamed on the kind of file system."""
    refusing("link", errno.ENOENT)(monkeypatch)
    with pytest.raises(DiskError, match=r"cannot try out the file system of .*: No such file") as caught:
        await mill.run()
    assert "exFAT" not in caught.value.advice
    assert_untouched(mill)


@pytest.mark.parametrize(("ahead", "text"), [(130, "2 min "), (-420, " min "), (50, ""), (-50, "")], ids=str)
async def test_a_clock_that_is_wrong_is_told(
    tmp_path: Path,
    aws_keys: None,  # noqa: ARG001  a client wants keys
    ahead: int,
    text: str,
) -> None:
    """More than a minute to either side is told, with the direction and with when AWS begins to refuse."""
    async with AwsIotDouble(clock=lambda: time.time() - ahead) as double:
        finding = (await found(Mill(double, tmp_path)))["clock"]
    assert finding.worrying is bool(text)
    if text:
        assert text in finding.text
        assert ("ahead of AWS's" if ahead > 0 else "behind AWS's") in finding.text
        assert "from 5 minutes on AWS refuses" in finding.text
