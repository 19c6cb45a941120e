"""The parent's side of the embedded AWS IoT: start the child, wait until it answers, take it down again."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from subprocess import PIPE
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from pipeline.errors import RefusedError, UsageError
from pipeline.local import state

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from anyio.abc import Process

__all__ = ["Embedded", "embedded", "serve_foreground"]

REGION = "us-east-1"

_START_SECONDS = 60.0
_REQUEST_SECONDS = 5.0
_NO_ANSWER = (OSError, http.client.HTTPException, ValueError)
# A child that was asked to end saves the account first.
_SAVE_SECONDS = 10.0
_TERMINATE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Embedded:
    """Where the embedded AWS IoT is, while it is up.

    Attributes:
        endpoint_url: For every AWS call, ``http://127.0.0.1:PORT``.
        mqtt_host: The name that its MQTT certificate is good for.
        mqtt_port: MQTT over TLS with client certificates.
        ca_pem: The CA that signs device certificates and the MQTT server's, one PEM block.
        region: The one Region it stands for.
        environment: What the usual AWS credential chain needs to find it.
    """

    endpoint_url: str
    mqtt_host: str
    mqtt_port: int
    ca_pem: str
    region: str = REGION
    environment: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def embedded(state_folder: Path) -> AsyncIterator[Embedded]:
    """Run the embedded AWS IoT for the length of the block.

    Where ``thingmill local`` serves the folder already, that one is used and left running.

    Policies are enforced. The account, its CA and the ports are kept in the folder, so that a run that was
    killed finds them again. However this process ends, the child saves and ends too.

    Args:
        state_folder: Made if need be, with mode 0700.

    Raises:
        UsageError: The extra ``local`` is not installed, or another process uses the folder.
        RefusedError: The child did not come up; the message quotes the end of its log.
        DiskError: The folder cannot be made.
    """
    shared = await _shared(state_folder)
    if shared is not None:
        yield shared
        return
    async with _running(state_folder) as (aws, _):
        yield aws


async def serve_foreground(state_folder: Path, announce: Callable[[Embedded], None]) -> None:
    """Run the embedded AWS IoT until this task is cancelled.

    Args:
        state_folder: As for ``embedded``.
        announce: Called once, when it answers.

    Raises:
        RefusedError: The child did not come up, or ended by itself; otherwise as ``embedded``.
    """
    async with _running(state_folder, shares=True) as (aws, child):
        announce(aws)
        await child.wait()
        raise _failure(state_folder, f"the embedded AWS IoT ended by itself (exit status {child.returncode})")


async def _shared(folder: Path) -> Embedded | None:
    ports = state.shared_ports(folder)
    if ports is None:
        return None
    with suppress(*_NO_ANSWER):
        return _describe(*ports, (await _get(ports[0], "/_ministack/iot/ca.pem"))[1].decode("ascii"))
    return None


@asynccontextmanager
async def _running(folder: Path, *, shares: bool = False) -> AsyncIterator[tuple[Embedded, Process]]:
    if importlib.util.find_spec("ministack") is None:
        raise UsageError("the embedded AWS IoT needs the extra `local`", advice="pip install 'thingmill[local]'")
    folder = state.make_folder(folder)
    with state.owner_lock(folder, shares=shares):
        child, http_port, mqtt_port = await _spawn(folder)
        try:
            ca_pem = await _until_ready(child, http_port)
            if ca_pem is None:
                raise _failure(folder, "the embedded AWS IoT did not come up")
            yield _describe(http_port, mqtt_port, ca_pem), child
        finally:
            await _take_down(child)


async def _spawn(folder: Path) -> tuple[Process, int, int]:
    """Start the child; return it with its HTTP and its MQTT port."""
    account = await state.wait_for_account(folder)
    log = state.log_file(folder)
    try:
        with state.listeners(folder) as (http_socket, mqtt_socket):
            ports: tuple[int, int] = (http_socket.getsockname()[1], mqtt_socket.getsockname()[1])
            descriptors = (http_socket.fileno(), mqtt_socket.fileno())
            # -P: a folder called `pipeline` where the user happens to be is not ours. -W: what a later
            # Python deprecates in ministack is not this log's business.
            child = await anyio.open_process(
                [sys.executable, "-P", "-W", "ignore", "-m", "pipeline.local.launcher", *map(str, descriptors)],
                stdin=PIPE,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=_child_environment(folder, *ports),
                start_new_session=True,
                pass_fds=(*descriptors, account),
                umask=0o077,
            )
    finally:
        # The child's copies count from here on: what it lets go of when it ends is free at that instant.
        os.close(log)
        os.close(account)
    return child, *ports


def _child_environment(folder: Path, http_port: int, mqtt_port: int) -> dict[str, str]:
    """Return the child's whole environment: nothing of the user's AWS, Docker or ministack gets in."""
    inherited = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {name: os.environ[name] for name in inherited if name in os.environ} | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "STATE_DIR": str(folder / "state"),
        "PERSIST_STATE": "1",
        "AUTH": "true",
        "BIND_HOST": state.LOOPBACK,
        "GATEWAY_PORT": str(http_port),
        "IOT_MTLS_PORT": str(mqtt_port),
        "SFTP_ENABLED": "0",
        "SERVICES": "iot,iam,sts",
        "MINISTACK_HOST": "localhost",
        "MINISTACK_REGION": REGION,
        "LOG_LEVEL": "WARNING",
        # ministack removes every container that carries its labels as it starts and ends, another
        # ministack's too. A socket that does not exist keeps it away from Docker altogether.
        "DOCKER_HOST": f"unix://{folder / 'no-docker.sock'}",
    }


async def _until_ready(child: Process, http_port: int) -> str | None:
    """Return the CA once MQTT listens, or None when the child ended, gave up MQTT or took too long."""
    ca_pem = None

    async def notice_end() -> None:
        await child.wait()
        group.cancel_scope.cancel()

    with anyio.move_on_after(_START_SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(notice_end)
            if await _mqtt_listens(http_port):
                # A child that ends this very moment resets the connection: that is None too.
                with suppress(*_NO_ANSWER):
                    ca_pem = (await _get(http_port, "/_ministack/iot/ca.pem"))[1].decode("ascii")
            group.cancel_scope.cancel()
    return ca_pem


async def _mqtt_listens(http_port: int) -> bool:
    # Bounded by the caller's scope.
    while True:
        with suppress(*_NO_ANSWER):
            status, body = await _get(http_port, "/_ministack/ready")
            mqtt = json.loads(body).get("iot_mtls")
            if mqtt != "starting" and status in {200, 503}:
                return bool(mqtt == "listening" and status == 200)
        await anyio.sleep(0.05)


async def _get(port: int, path: str) -> tuple[int, bytes]:
    """Return status and body. By http.client, which asks no proxy: this never leaves the machine."""

    def request() -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(state.LOOPBACK, port, timeout=_REQUEST_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    return await to_thread.run_sync(request, abandon_on_cancel=True)


def _describe(http_port: int, mqtt_port: int, ca_pem: str) -> Embedded:
    endpoint_url = f"http://{state.LOOPBACK}:{http_port}"
    environment = {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }
    return Embedded(endpoint_url, "localhost", mqtt_port, ca_pem, environment=environment)


async def _take_down(child: Process) -> None:
    """Ask, then insist, then end it; return only when the child is gone, cancelled or not."""
    with anyio.CancelScope(shield=True):
        if child.stdin is not None:
            with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                await child.stdin.aclose()
        for seconds, harder in ((_SAVE_SECONDS, child.terminate), (_TERMINATE_SECONDS, child.kill)):
            with anyio.move_on_after(seconds):
                await child.wait()
                break
            with suppress(ProcessLookupError):
                harder()
        await child.wait()
        await child.aclose()


def _failure(folder: Path, what: str) -> RefusedError:
    tail = state.log_tail(folder)
    said = f"; its log ends:\n{tail}" if tail else " and logged nothing"
    return RefusedError(what + said, advice="the whole log is `ministack.log` in the state folder")
