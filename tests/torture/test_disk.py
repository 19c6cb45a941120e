"""A disk that refuses: the run says which file, stops in order, and goes on when there is room again."""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import anyio
import pytest
from aiobotocore.session import AioSession

from pipeline import failpoints, files, workshop
from pipeline.aws import client
from pipeline.device import State
from pipeline.errors import DiskError
from pipeline.ledger import Ledger
from pipeline.workers import Workers
from tests.core.mill import Mill
from tests.support.awsiot import AwsIotDouble, Fail
from tests.support.thorough import sampled
from tests.torture.checker import judge, one_each
from tests.torture.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable

MANIFEST = "one\ntwo\n"
MOST_OPERATIONS = 400

pytestmark = pytest.mark.usefixtures("aws_keys")


class Disk:
    """Stands before every call that ``pipeline.files`` makes to change something, and refuses the nth."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.nth = 0
        self.code = errno.ENOSPC
        self.seen = 0
        stand_in: dict[str, Any] = {
            name: self._guard(getattr(os, name)) for name in ("open", "fsync", "link", "fchmod")
        }
        monkeypatch.setattr(files, "os", _Module(os, stand_in | {"fdopen": self._fdopen}))
        for name in ("mkdir", "rename", "replace"):
            monkeypatch.setattr(Path, name, self._guard(getattr(Path, name)))
        monkeypatch.setattr(workshop, "Workers", partial(Workers, executor=ThreadPoolExecutor))
        # Reading the service models is most of what a short run costs; one session serves them all.
        session = AioSession()
        monkeypatch.setattr(client, "AioSession", lambda profile: session)  # noqa: ARG005  the usual chain

    def refuse(self, nth: int, code: int) -> None:
        self.nth, self.code, self.seen = nth, code, 0

    def _count(self) -> None:
        self.seen += 1
        if self.seen == self.nth:
            raise OSError(self.code, os.strerror(self.code))

    def _guard(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  whatever the real one takes
            self._count()
            return real(*args, **kwargs)

        return guarded

    def _fdopen(self, handle: int, mode: str) -> Any:  # noqa: ANN401  a file of either mode
        file = os.fdopen(handle, mode)
        if "w" not in mode:
            return file
        return _File(file, self._count)


class _Module:
    def __init__(self, real: Any, stand_in: dict[str, Any]) -> None:  # noqa: ANN401  a module
        self._real = real
        self.__dict__.update(stand_in)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the module has
        return getattr(self._real, name)


class _File:
    """A file whose flush, where the bytes go to the disk, can be refused."""

    def __init__(self, file: Any, count: Callable[[], None]) -> None:  # noqa: ANN401  a binary file
        self._file = file
        self._count = count
        self.writelines = file.writelines

    def flush(self) -> None:
        self._count()
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()


def not_ahead(mill: Mill) -> None:
    """Hold that the ledger says of no device what is not on the disk."""
    with closing(sqlite3.connect(mill.folder.ledger)) as ledger:
        rows = ledger.execute("SELECT thing_name, state FROM devices").fetchall()
    for name, state in rows:
        if state >= State.BUNDLED:
            assert (mill.folder.bundle(name) / f"{name}.pem").is_file()
        elif state >= State.KEYED:
            found = mill.folder.bundle(name) if mill.folder.bundle(name).exists() else mill.folder.staged(name)
            assert (found / f"{name}.key").is_file()
            assert (found / f"{name}.csr").is_file()


@pytest.mark.parametrize(
    "code",
    sampled([errno.ENOSPC, errno.EIO, errno.EROFS], lambda code: code == errno.EIO),
    ids=errno.errorcode.get,
)
def test_a_disk_that_refuses_any_one_write_stops_the_run_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Whichever operation fails, the error names a path, the ledger is not ahead, and a resume finishes."""
    disk = Disk(monkeypatch)
    step = {errno.ENOSPC: 1, errno.EIO: 13, errno.EROFS: 11}[code]

    async def once(nth: int) -> bool:
        home = tmp_path / str(nth)
        home.mkdir()
        async with AwsIotDouble() as double:
            mill = Mill(double, home)
            disk.refuse(nth, code)
            said: DiskError | None = None
            try:
                await mill.run("one\n")
            except DiskError as error:
                said = error
            refused = disk.seen >= nth
            assert (said is not None) == refused
            assert said is None or (str(home) in said.message and os.strerror(code) in said.message)
            if mill.folder.ledger.exists():
                not_ahead(mill)
            disk.refuse(0, code)
            await mill.run("one\n")
            one_each(mill, ["one"])
            assert double.journal.count("CreateCertificateFromCsr") == 1
        return refused

    for nth in range(1, MOST_OPERATIONS, step):
        if not anyio.run(once, nth):
            break
    else:
        pytest.fail("the run writes more than it should")


@pytest.mark.parametrize("nth", sampled([1, 2, 4, 6, 8, 10], lambda nth: nth in {1, 4, 8}))
def test_a_commit_that_fails_stops_the_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    """A ledger that cannot be written stops the run and is named; a resume finishes with one certificate each."""
    left = [nth]

    def hit(name: str) -> None:
        if name == "ledger.commit":
            left[0] -= 1
            if left[0] <= 0:
                raise sqlite3.OperationalError("disk I/O error")

    async def play() -> None:
        async with AwsIotDouble() as double:
            mill = Mill(double, tmp_path)
            with monkeypatch.context() as broken:
                broken.setattr(failpoints, "hit", hit)
                with pytest.raises(DiskError, match=r"ledger\.db cannot be written: disk I/O error"):
                    await mill.run(MANIFEST)
            not_ahead(mill)
            await mill.run(MANIFEST)
            one_each(mill, ["one", "two"])

    anyio.run(play)


def test_a_failing_device_on_a_failing_disk_stops_the_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure that cannot be recorded is the disk's, and the other devices are recorded as far as they go."""

    async def refuse(*_: object) -> None:
        raise DiskError("the ledger cannot be written")

    async def play() -> None:
        async with AwsIotDouble() as double:
            mill = Mill(double, tmp_path)
            double.faults.script("CreateThing", Fail("InvalidRequestException"), subject="one")
            with monkeypatch.context() as broken:
                broken.setattr(Ledger, "failed", refuse)
                prepared = mill.prepare(MANIFEST)
                with pytest.raises(DiskError):
                    await mill.finish(prepared)
                assert prepared.stop.requested
            await mill.run(MANIFEST)
            one_each(mill, ["one", "two"])

    anyio.run(play)


@pytest.mark.parametrize("limit", sampled([60_000, 100_000], lambda limit: limit == 60_000))
def test_a_limit_on_file_sizes_stops_a_real_run_and_it_resumes(tmp_path: Path, limit: int) -> None:
    """When the system refuses to let a file grow, the command says which, ends with 1, and goes on later."""
    shim = "import os, resource, sys; n = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_FSIZE, (n, n)); "
    shim += "os.execv(sys.argv[2], sys.argv[2:])"
    with Scene(tmp_path, [f"Made{number:02}" for number in range(16)]) as scene:
        ended = scene.run(prefix=[sys.executable, "-c", shim, str(limit)])
        assert ended.code == 1, (ended.code, ended.err)
        assert "Traceback" not in ended.err
        assert str(scene.output) in ended.err
        assert not list(scene.output.rglob("*.tmp"))
        scene.finish()
        judge(scene)
