"""A real Dask cluster on loopback: a scheduler and workers, each a process with a folder and a log of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.authority import Authority

__all__ = ["Machines", "until"]

ROOT = Path(__file__).parents[2]

# Results are written to the disk as soon as there are any: nothing that a worker holds is hidden from a search.
SPILLING = {
    "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "1e-9",
    "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "1e-9",
    "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False",
}


# Run first by scheduler and workers. What they send is kept, as it is before TLS has it; what they spill, too.
TAP = """
import os, pathlib
from tornado.iostream import IOStream, SSLIOStream

sent = open(os.environ["CLUSTER_TAP"] + f".{os.getpid()}", "ab", buffering=0)
for kind in (IOStream, SSLIOStream):
    def tapped(self, data, write=kind.write_to_fd):
        number = write(self, (kept := bytes(data)) and data)
        sent.write(kept[:number or 0])
        return number
    kind.write_to_fd = tapped

for owner, name in ((os, "remove"), (os, "unlink"), (pathlib.Path, "unlink")):
    def keeping(path, *words, remove=getattr(owner, name), **more):
        if os.sep + "storage" + os.sep not in str(path):
            remove(path, *words, **more)
    setattr(owner, name, keeping)
"""


@dataclass
class Machines:
    """A scheduler and its workers; all are ended when the block is left.

    Attributes:
        home: Where each process has its folder.
        authority: Signs their certificates, or None for a cluster without TLS.
    """

    home: Path
    authority: Authority | None
    address: str = ""
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _count: int = 0

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "tap").mkdir()
        self.start_scheduler()
        return self

    def __exit__(self, *exc_info: object) -> None:
        for process in (*self.workers, self.scheduler):
            if process is not None:
                process.kill()
        for process in (*self.workers, self.scheduler):
            if process is not None:
                process.wait()

    def start_scheduler(self) -> None:
        """Start the scheduler; a second time at the port of the first, which is killed."""
        self.kill_scheduler()
        port = self.address.rpartition(":")[2] or "0"
        told = self.home / "scheduler.json"
        told.unlink(missing_ok=True)
        words = [
            "--host",
            "127.0.0.1",
            "--port",
            port,
            "--dashboard-address",
            "127.0.0.1:0",
            "--no-show",
            "--scheduler-file",
            str(told),
        ]
        self.scheduler = self._start("scheduler", *words)
        self.address = until(lambda: json.loads(told.read_text(encoding="ascii"))["address"])

    def kill_scheduler(self) -> None:
        if self.scheduler is not None:
            self.scheduler.kill()
            self.scheduler.wait()

    def add_worker(self, injected: str = "") -> subprocess.Popen[bytes]:
        """Start a worker with one thread, which runs ``injected`` first; it joins in its own time."""
        self._count += 1
        folder = self.home / f"worker-{self._count}-files"
        folder.mkdir()
        words = [
            self.address,
            "--nthreads",
            "1",
            "--no-nanny",
            "--dashboard-address",
            "127.0.0.1:0",
            "--local-directory",
            str(folder),
        ]
        words += ["--host", "127.0.0.1", "--memory-limit", "2GB"]
        worker = self._start("worker", *words, injected=injected)
        self.workers.append(worker)
        return worker

    def left(self) -> dict[str, bytes]:
        """Return all that these processes sent, spilled, logged, and wrote elsewhere."""
        found = dict.fromkeys(("sent", "spilled", "logged", "elsewhere"), b"")
        for path in sorted(self.home.rglob("*")):
            if path.is_file():
                kinds = {"tap": "sent", "storage": "spilled"}
                kind = kinds.get(path.parent.name) or ("logged" if path.suffix == ".log" else "elsewhere")
                found[kind] += path.read_bytes() + b"\0"
        return found

    def _start(self, kind: str, *words: str, injected: str = "") -> subprocess.Popen[bytes]:
        name = f"{kind}-{self._count}"
        site = self.home / f"{name}-site"
        site.mkdir(exist_ok=True)
        (site / "sitecustomize.py").write_text(TAP + injected, encoding="utf-8")
        fixed = {
            "PYTHONPATH": os.pathsep.join((str(site), str(ROOT))),
            "CLUSTER_TAP": str(self.home / "tap" / name),
            "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "debug",
        }
        security = self.authority.words(name) if self.authority else ["--protocol", "tcp"]
        with (self.home / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", kind, *words, *security],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
                env=os.environ | fixed | SPILLING,
            )


def until(look: Callable[[], Any]) -> Any:  # noqa: ANN401  whatever it finds
    """Return what ``look`` finds, as soon as it is something and no error; half a minute is waited at the most."""
    end = time.monotonic() + 30
    while True:
        try:
            found = look()
        except (OSError, ValueError, KeyError):
            if time.monotonic() > end:
                raise
            found = None
        if found:
            return found
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.05)
