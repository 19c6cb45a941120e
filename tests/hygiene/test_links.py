"""Links that somebody planted at what thingmill writes: none is followed, and no other file changes."""

from __future__ import annotations

import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import cycle, product
from typing import TYPE_CHECKING, Any

import pytest

from pipeline import files, keys
from pipeline.appender import Appender
from pipeline.bundles.formats import FORMATS
from pipeline.errors import DeviceError, DiskError, RefusedError, ThingmillError
from pipeline.layout import RunFolder
from pipeline.ledger.schema import connect, connect_finished
from pipeline.local.state import make_folder
from pipeline.lock import RunLock
from pipeline.settings import KeyType
from pipeline.staging import publish
from pipeline.workers import Workers
from tests.core.mill import Mill
from tests.core.test_staging import CERTIFICATE, DEVICE, FIRST, SECOND
from tests.e2e.command import snapshot
from tests.support.awsiot import AwsIotDouble, Fail
from tests.support.thorough import sampled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from tests.hygiene.workshop import Workshop

    Way = Callable[[Path, Path], None]

pytestmark = pytest.mark.anyio

CONTENT = b"somebody else's\n"
FORMAT = next(iter(FORMATS))


@pytest.fixture
async def mill(
    tmp_path: Path,
    aws_keys: None,  # noqa: ARG001  a client wants keys
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Mill]:
    # Threads in place of processes: what is held here is what they do with links, and they start at once.
    monkeypatch.setattr("pipeline.workshop.Workers", partial(Workers, executor=ThreadPoolExecutor))
    async with AwsIotDouble() as double:
        yield Mill(double, tmp_path)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder outside the run, with a file and a folder that links lead to."""
    folder = tmp_path / "outside"
    (folder / "folder").mkdir(parents=True, mode=0o700)
    (folder / "file").write_bytes(CONTENT)
    return folder


def to_file(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "file")


def to_folder(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "folder")


def to_nothing(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "nowhere")


def second_name(path: Path, outside: Path) -> None:
    path.hardlink_to(outside / "file")


def plant(path: Path, outside: Path, how: Callable[[Path, Path], None]) -> None:
    """Put a link in the place of whatever has the name now."""
    path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    how(path, outside)


def inside(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


async def told(mill: Mill, formats: tuple[str, ...] = ()) -> str | None:
    """Run, and return what went wrong: of the run with its advice, or of the device."""
    try:
        await mill.run("one\n", formats=formats)
    except ThingmillError as error:
        return error.advice and f"{error.message}; {error.advice}"
    return mill.code("one")


def in_turn(names: Sequence[str], ways: Sequence[Way]) -> list[Any]:
    """Return each name with each kind of link: with one every time, and with the others in the thorough cases."""
    usual = list(zip(names, cycle(ways)))
    return sampled(product(names, ways), lambda case: case in usual)


def looked_at(outside: Path) -> tuple[bytes, list[Path]]:
    """Return what the file holds, and what there is; the number of the file's names does not matter."""
    return (outside / "file").read_bytes(), sorted(outside.rglob("*"))


REFUSED = (".", "ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db-journal", "audit.jsonl", ".lock")
FOLDERS = ("devices", "staging", "staging/one", "devices/one")
HOW = (to_nothing, to_file, to_folder)
REPLACED = ("summary.json", "summary.csv", "failed.csv", "failed.jsonl")
BUNDLED = ("one.key", "one.csr", "one.pem", "config.json", "root-ca.pem", FORMAT)


@pytest.mark.parametrize(("name", "how"), in_turn([*REFUSED, *FOLDERS], HOW))
async def test_a_link_is_refused_with_a_sentence(
    mill: Mill, outside: Path, name: str, how: Callable[[Path, Path], None]
) -> None:
    """A new run that finds a link where it would write in place, or make a folder, says so and leaves it."""
    plant(mill.folder.root / name, outside, how)
    before = snapshot(outside)
    assert await told(mill)
    assert snapshot(outside) == before


@pytest.mark.parametrize("name", ["ledger.db", "ledger.db-wal", "ledger.db-shm", "audit.jsonl", ".lock"])
async def test_a_second_name_is_refused_where_files_are_written_in_place(
    mill: Mill, outside: Path, name: str
) -> None:
    """What has another name elsewhere is not appended to, not emptied and not taken for a ledger."""
    plant(mill.folder.root / name, outside, second_name)
    before = snapshot(outside)
    with pytest.raises(DiskError, match=r"second name"):
        await mill.run("one\n")
    assert snapshot(outside) == before


@pytest.mark.parametrize(("name", "how"), in_turn(REPLACED, [*HOW, second_name]))
async def test_a_report_takes_the_place_of_a_link(
    mill: Mill, outside: Path, name: str, how: Callable[[Path, Path], None]
) -> None:
    """Reports get their names by a rename: the link is gone, and what it led to is as it was."""
    mill.double.faults.script("AttachThingPrincipal", Fail("InvalidRequestException", 400), subject="two")
    plant(mill.folder.root / name, outside, how)
    before = looked_at(outside)
    await mill.run("one\ntwo\n")
    assert not (mill.folder.root / name).is_symlink()
    assert looked_at(outside) == before


@pytest.mark.parametrize(("name", "how"), in_turn(BUNDLED, HOW))
async def test_a_link_in_a_devices_folder_is_not_followed(
    mill: Mill, outside: Path, name: str, how: Callable[[Path, Path], None]
) -> None:
    """A link at a file is replaced or refused, one at a format's folder is refused; no key is taken from one."""
    formats = (FORMAT,)
    mill.double.faults.script("CreateCertificateFromCsr", Fail("UnauthorizedException", 401))
    with pytest.raises(RefusedError):
        await mill.run("one\n", formats=formats)
    plant(mill.folder.staged("one") / name, outside, how)
    before = snapshot(outside)
    mill.double.faults.clear()
    problem = await told(mill, formats)
    assert problem or not any(path.is_symlink() for path in inside(mill.folder.bundle("one")))
    assert snapshot(outside) == before


@pytest.mark.parametrize("place", ["staged", "bundle"])
def test_a_link_in_the_place_of_a_devices_folder_is_no_bundle(tmp_path: Path, outside: Path, place: str) -> None:
    """When a bundle is published, a link to a folder that looks like it is neither filled nor taken for it."""
    folder = RunFolder(tmp_path / "run")
    for private in (folder.root, folder.devices, folder.staging):
        files.private_folder(private)
    keys.ensure_key(folder.staged("one"), "one", "one", KeyType.EC_P256)
    publish(folder, DEVICE, CERTIFICATE, FIRST)
    folder.bundle("one").rename(outside / "looks-like-it")
    link = folder.staged("one") if place == "staged" else folder.bundle("one")
    link.symlink_to(outside / "looks-like-it")
    before = snapshot(outside)
    with pytest.raises(DeviceError):
        publish(folder, DEVICE, CERTIFICATE, SECOND)
    assert snapshot(outside) == before


def test_a_temporary_name_that_is_taken_is_not_written_through(
    tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should somebody guess the random name, the link there is refused and leads nothing anywhere."""
    monkeypatch.setattr("secrets.token_hex", lambda _size: "guessed")
    (tmp_path / ".guessed.tmp").symlink_to(outside / "nowhere")
    for write in (files.create_once, files.replace_whole):
        with pytest.raises(FileExistsError):
            write(tmp_path / "one.key", b"key", files.SECRET)
    assert not (outside / "nowhere").exists()
    assert not (tmp_path / "one.key").exists()


@pytest.mark.parametrize("how", [to_file, to_nothing, second_name])
def test_what_is_opened_in_place_is_looked_at_first(
    tmp_path: Path, outside: Path, how: Callable[[Path, Path], None]
) -> None:
    """The trail, the lock and the ledger refuse to be opened through a link, and each names it."""
    path = tmp_path / "planted"
    how(path, outside)

    def append() -> None:
        with closing(Appender(path)) as appender:
            appender.append(b"line\n")

    def lock() -> None:
        with RunLock(path):
            pass

    def write() -> None:
        connect(path).close()

    def read() -> None:
        connect_finished(path)

    for use in (append, lock, write, read):
        with pytest.raises(DiskError, match="planted"):
            use()
    assert (outside / "file").read_bytes() == CONTENT
    assert not (outside / "nowhere").exists()


@pytest.mark.parametrize("mask", [0o000, 0o022])
def test_a_ledger_is_its_owners_alone_from_the_first_instant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mask: int
) -> None:
    """When SQLite opens it, it is there with mode 0600, whatever the umask."""
    seen: list[int] = []

    def watched(path: Path, **_: object) -> None:
        seen.append(path.stat().st_mode & 0o777)
        raise sqlite3.OperationalError

    monkeypatch.setattr(sqlite3, "connect", watched)
    before = os.umask(mask)
    try:
        with pytest.raises(sqlite3.OperationalError):
            connect(tmp_path / "ledger.db")
    finally:
        os.umask(before)
    assert seen == [0o600]


@pytest.mark.parametrize("how", [to_folder, to_nothing])
def test_the_embedded_aws_iot_follows_no_link_either(
    tmp_path: Path, outside: Path, how: Callable[[Path, Path], None]
) -> None:
    """A link in the place of its folder is refused."""
    how(tmp_path / ".local", outside)
    before = snapshot(outside)
    with pytest.raises(DiskError):
        make_folder(tmp_path / ".local")
    assert snapshot(outside) == before


@pytest.mark.parametrize("how", sampled(HOW, lambda how: how is to_nothing))
def test_results_and_exports_go_through_no_link(
    workshop: Workshop, outside: Path, how: Callable[[Path, Path], None]
) -> None:
    """Verify refuses a link at --csv, and export one in the place of its folder, each with a sentence."""
    workshop.run(workshop.command(*workshop.run_words()))
    plant(workshop.home / "found.csv", outside, how)
    plant(workshop.root / "export", outside, how)
    before = snapshot(outside)
    for words in (("verify", "line", "--csv", "found.csv"), ("export", "line", "--format=pem")):
        said = workshop.run(workshop.command(*words), expect=1)
        assert b"thingmill: " in said
        assert b"Traceback" not in said
    assert snapshot(outside) == before
