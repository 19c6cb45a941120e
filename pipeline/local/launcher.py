"""The child's side of the embedded AWS IoT: ministack on sockets it is given, for as long as stdin is open.

Run as ``python -m pipeline.local.launcher HTTP_FD MQTT_FD`` by ``pipeline.local.server``, with a pipe as its
stdin. ministack's own ``main`` is not used, for three reasons:

* it would listen on every interface: its MQTT broker asks for ``0.0.0.0`` whatever ``BIND_HOST`` says;
* it writes a process id file to a shared folder, and its SIGTERM handler leaves without saving;
* it knows nothing of its parent, and would stay behind when that is killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LoopbackLoop", "main"]

_STDIN = 0


class LoopbackLoop(asyncio.SelectorEventLoop):
    """An event loop whose servers listen on loopback only, whatever host they ask for.

    A loop of our own, and not a patched ministack: ``create_server`` is the documented way by which every
    asyncio server comes to listen, so this holds for servers that a later ministack may add.

    Args:
        given: Listening sockets by port. Who asks for the port gets the socket, once.
    """

    def __init__(self, given: dict[int, socket.socket]) -> None:
        super().__init__()
        self._given = given

    async def create_server(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: object = None,  # noqa: ARG002 - not heeded, which is the point
        port: int | None = None,
        *,
        sock: socket.socket | None = None,
        **options: Any,  # noqa: ANN401 - asyncio's own keyword arguments, passed on as they are
    ) -> asyncio.Server:
        """Listen as ``asyncio.loop.create_server`` does, but on 127.0.0.1 whatever ``host`` is."""
        if sock is None and port is not None:
            sock = self._given.pop(port, None)
        if sock is not None:
            return await super().create_server(protocol_factory, sock=sock, **options)
        return await super().create_server(protocol_factory, "127.0.0.1", port, **options)


async def _serve(http: socket.socket) -> None:
    """Serve until stdin ends or SIGTERM comes; hypercorn then has ministack save the account."""
    # Imported in the child alone, and late: SIGINT is ignored before the second that this takes.
    from hypercorn.asyncio import serve  # noqa: PLC0415
    from hypercorn.config import Config  # noqa: PLC0415
    from ministack.app import app  # noqa: PLC0415

    config = Config()
    config.bind = [f"fd://{http.detach()}"]
    config.loglevel = "WARNING"

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)

    def parent_spoke() -> None:
        # The parent never writes. It holds the other end, and the kernel closes that however it ends.
        if not os.read(_STDIN, 4096):
            loop.remove_reader(_STDIN)
            stop.set()

    loop.add_reader(_STDIN, parent_spoke)
    await serve(app, config, shutdown_trigger=stop.wait)


def main(arguments: list[str]) -> None:
    """Serve on the two listening sockets whose descriptors are the arguments.

    Args:
        arguments: The descriptor of the HTTP socket, then that of the MQTT socket.
    """
    # Ctrl-C reaches every process of a terminal: a run that drains after it still needs its AWS.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    http, mqtt = (socket.socket(fileno=int(argument)) for argument in arguments)
    given = {mqtt.getsockname()[1]: mqtt}
    with asyncio.Runner(loop_factory=lambda: LoopbackLoop(given)) as runner:
        runner.run(_serve(http))


if __name__ == "__main__":
    main(sys.argv[1:])
