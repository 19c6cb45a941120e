"""The Internet as the commands of a document find it: AWS's endpoint for devices is on this machine.

Python runs this as it starts, in every command of a document, since its folder is on ``PYTHONPATH``. No code of
thingmill's is touched. A name is led to a port of the loopback, and the root of the server there is trusted beside
those that a bundle holds, as if Amazon had vouched for it.
"""

from __future__ import annotations

import os
import socket
from typing import Any

_NAME = os.environ.get("DOCUMENTS_ENDPOINT", "")
_PORT = os.environ.get("DOCUMENTS_MQTT_PORT", "")
_ROOT = os.environ.get("DOCUMENTS_ROOT_CA", "")

_getaddrinfo = socket.getaddrinfo


def _led(host: Any, port: Any, *rest: Any, **named: Any) -> Any:  # noqa: ANN401  as the standard library's
    if host == _NAME and str(port) == "8883":
        host, port = "127.0.0.1", int(_PORT)
        _vouch()
    return _getaddrinfo(host, port, *rest, **named)


def _vouch() -> None:
    """Trust the root in each connection from now on. Whoever asks for an address has not begun with TLS yet."""
    # Late: it is a tenth of what Python takes to start, and few commands connect.
    import ssl  # noqa: PLC0415

    wrap_socket = ssl.SSLContext.wrap_socket

    def trusting(self: ssl.SSLContext, *given: Any, **named: Any) -> ssl.SSLSocket:  # noqa: ANN401  as above
        self.load_verify_locations(cafile=_ROOT)
        return wrap_socket(self, *given, **named)

    if wrap_socket.__name__ != trusting.__name__:
        ssl.SSLContext.wrap_socket = trusting  # type: ignore[method-assign]


if _NAME:
    socket.getaddrinfo = _led
