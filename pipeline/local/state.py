"""What the embedded AWS IoT keeps between two starts: one folder, its locks, its ports and its log.

::

    FOLDER/               0700
      owner.lock          held by the process that asked for it, and names it
      account.lock        held by the child until it has saved and gone
      ports.json          where it listened last, so that endpoints in bundles stay valid
      ministack.log       0600, what the child said since its last start
      state/              ministack's own files: the account, and the CA with its key
      tmp/                the child's temporary files
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import stat
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

import anyio

from pipeline.errors import DiskError, UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "LOOPBACK",
    "listeners",
    "log_file",
    "log_tail",
    "make_folder",
    "owner_lock",
    "shared_ports",
    "wait_for_account",
]

LOOPBACK = "127.0.0.1"

# Below the ephemeral ranges of Linux (from 32,768) and macOS (from 49,152): no outgoing connection can be
# sitting on a remembered port when the next start wants it again.
_PORTS = range(20_000, 32_768)
_PORT_ATTEMPTS = 100

# Behind the owner's process id when others may use what it serves.
_SHARES = " shared"

# How long a child whose parent was killed may take to save before it is called stuck.
_DRAIN_SECONDS = 60.0


def make_folder(folder: Path) -> Path:
    """Make the state folder, readable by its owner alone, since the CA's key lies in it.

    Returns:
        The folder's absolute path: the child is told it, and runs elsewhere.

    Raises:
        DiskError: The folder cannot be made, or what is there is a link or somebody else's.
    """
    folder = folder.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISLNK(found.st_mode) or found.st_uid != os.geteuid():
            raise DiskError(
                f"{printable(str(folder))} is a symbolic link or belongs to another user",
                advice="move it away, or choose another --output",
            )
        folder.chmod(0o700)
        for part in (folder / "state", folder / "tmp"):
            part.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise DiskError(
            f"the state folder of the embedded AWS IoT cannot be made: {printable(str(error))}",
            advice="make room or mend the permissions, or choose another --output",
        ) from error
    return folder


@contextmanager
def owner_lock(folder: Path, *, shares: bool = False) -> Iterator[None]:
    """Hold the folder for this process; the kernel lets go of it however the process ends.

    Args:
        folder: The state folder.
        shares: Other processes may use what this one serves (``shared_ports``).

    Raises:
        UsageError: Another process has it, which the message names.
    """
    descriptor = os.open(folder / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if not _flock(descriptor):
            holder = os.read(descriptor, 20).decode("ascii", "replace").partition(_SHARES)[0].strip() or "unknown"
            raise UsageError(
                f"the embedded AWS IoT in {printable(str(folder))} is in use by process {printable(holder)}",
                advice="wait until that process is done, or give this one another output folder",
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}{_SHARES if shares else ''}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def shared_ports(folder: Path) -> tuple[int, int] | None:
    """Return the HTTP and MQTT ports of a process that serves the folder to others right now, or None."""
    try:
        descriptor = os.open(folder / "owner.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if _flock(descriptor) or _SHARES not in os.read(descriptor, 40).decode("ascii", "replace"):
            return None
    finally:
        os.close(descriptor)
    ports = _remembered(folder / "ports.json")
    return (ports["http"], ports["mqtt"]) if {"http", "mqtt"} <= ports.keys() else None


async def wait_for_account(folder: Path) -> int:
    """Return a locked descriptor for the child to inherit, once the child before it has let go.

    When a parent is killed its child still saves the account for a moment: to start before that is done
    would be to start from the account as it was a run ago.

    Raises:
        UsageError: The child before it does not end.
    """
    descriptor = os.open(folder / "account.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with ExitStack() as unless_locked:
        unless_locked.callback(os.close, descriptor)
        with anyio.move_on_after(_DRAIN_SECONDS):
            while not _flock(descriptor):  # noqa: ASYNC110 - another process holds it and signals no event
                await anyio.sleep(0.05)
            unless_locked.pop_all()
            return descriptor
    raise UsageError(
        f"an earlier embedded AWS IoT in {printable(str(folder))} does not end",
        advice="look for a process `pipeline.local.launcher` and end it",
    )


def _flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def listeners(folder: Path) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Listen on loopback for HTTP and for MQTT, on the ports of the last start where they are free.

    The child inherits the sockets instead of the numbers: nobody can take a port in between, and what the
    child serves on is loopback because it was bound so here.
    """
    remembered = _remembered(folder / "ports.json")
    with ExitStack() as sockets:
        http = sockets.enter_context(_listen(remembered.get("http")))
        mqtt = sockets.enter_context(_listen(remembered.get("mqtt")))
        ports = {"http": http.getsockname()[1], "mqtt": mqtt.getsockname()[1]}
        if ports != remembered:
            written = folder / "ports.json.new"
            written.unlink(missing_ok=True)  # a killed process left it, and nothing is written through a link
            written.touch(mode=0o600, exist_ok=False)
            written.write_text(json.dumps(ports), encoding="ascii")
            written.replace(folder / "ports.json")
        yield http, mqtt


def _remembered(path: Path) -> dict[str, int]:
    """Return the ports of the last start; a file that is missing or damaged remembers nothing."""
    try:
        ports = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(ports, dict):
        return {}
    return {
        name: port
        for name, port in ports.items()
        if type(port) is int and 1024 <= port < 65_536  # no bool
    }


def _listen(preferred: int | None) -> socket.socket:
    candidates = [] if preferred is None else [preferred]
    candidates += [_PORTS.start + secrets.randbelow(len(_PORTS)) for _ in range(_PORT_ATTEMPTS)]
    for port in candidates:
        with suppress(OSError):
            return socket.create_server((LOOPBACK, port), backlog=128)
    raise UsageError(
        "no port of the loopback interface is free for the embedded AWS IoT",
        advice=f"free one from {_PORTS.start} to {_PORTS.stop - 1}, or see that this process may listen there",
    )


def log_file(folder: Path) -> int:
    """Open the child's log afresh and return its descriptor."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(folder / "ministack.log", flags, 0o600)


def log_tail(folder: Path, lines: int = 12) -> str:
    """Return the end of the child's log, each line safe to print."""
    try:
        with (folder / "ministack.log").open(encoding="utf-8", errors="replace") as log:
            last = deque(log, maxlen=lines)
    except OSError:
        return ""
    return "\n".join(printable(line.rstrip()) for line in last)
