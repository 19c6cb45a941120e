"""A device with a secure element: gnutls-cli does the TLS with a token's key, and MQTT goes through it.

Only what a device needs of MQTT 5 (OASIS, sections 3.1 to 3.4) is written here, byte by byte: nothing of thingmill
or of its libraries is on this side of the wire.
"""

from __future__ import annotations

import selectors
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import BufferedReader
    from pathlib import Path

__all__ = ["ACCEPTED", "NOT_AUTHORIZED", "MqttDevice", "connection"]

ACCEPTED = 0
"""The reason code of a CONNACK that lets a client in."""

NOT_AUTHORIZED = 0x87
"""That of one that does not (MQTT 5, section 3.2.2.2)."""

_SECONDS = 30.0


class MqttDevice:
    """The bytes of MQTT over a program that does the TLS.

    Args:
        client: gnutls-cli, connected or about to.
        log: Where it says what happened.
    """

    def __init__(self, client: subprocess.Popen[bytes], log: Path) -> None:
        self._client = client
        self._log = log

    def connect(self, client_id: str) -> int:
        """Send CONNECT for a clean start, and return the reason code of the CONNACK."""
        self._send(0x10, _text("MQTT") + b"\x05\x02\x00\x1e\x00" + _text(client_id))
        return self._packet(0x20)[1]

    def publish(self, topic: str, payload: bytes) -> int:
        """Publish with QoS 1, and return the reason code of the PUBACK (0 where it has none)."""
        self._send(0x32, _text(topic) + b"\x00\x01\x00" + payload)
        acknowledged = self._packet(0x40)
        assert acknowledged[:2] == b"\x00\x01"
        return acknowledged[2] if len(acknowledged) > 2 else 0

    def _send(self, kind: int, body: bytes) -> None:
        assert len(body) < 128
        assert self._client.stdin is not None
        self._client.stdin.write(bytes([kind, len(body)]) + body)
        self._client.stdin.flush()

    def _packet(self, kind: int) -> bytes:
        """Return the body of the next packet, which must be of this kind and short."""
        found, length = self._read(2)
        assert (found, length < 128) == (kind, True)
        return self._read(length)

    def _read(self, size: int) -> bytes:
        """Return so many bytes; fail with what gnutls-cli has said when they do not come."""
        output = cast("BufferedReader", self._client.stdout)
        found, until = b"", time.monotonic() + _SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while len(found) < size and selector.select(until - time.monotonic()):
                chunk = output.read1(size - len(found))
                if not chunk:
                    break
                found += chunk
        assert len(found) == size, f"got {found!r}; {self._log.read_text(errors='replace')}"
        return found


@contextmanager
def connection(
    bundle: Path, host: str, port: int, *, key_url: str, module: str, environment: Mapping[str, str], log: Path
) -> Iterator[MqttDevice]:
    """Open mutual TLS with what a bundle holds and a key that is in a token.

    Args:
        bundle: The device's folder: its certificate and the roots.
        host: The server's name, which its certificate must be good for.
        port: Its port.
        key_url: Where the key is (RFC 7512).
        module: The PKCS #11 library.
        environment: What the library needs to find its token.
        log: Where gnutls-cli writes what it has to say; its output is the server's bytes alone.
    """
    command = [
        "gnutls-cli", f"--provider={module}", f"--logfile={log}", f"--port={port}",
        f"--x509keyfile={key_url}", f"--x509certfile={bundle / f'{bundle.name}.pem'}",
        f"--x509cafile={bundle / 'root-ca.pem'}", host,
    ]  # fmt: skip
    pipe = subprocess.PIPE
    with log.with_suffix(".err").open("wb") as errors:
        client = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, env=environment)
    try:
        yield MqttDevice(client, log)
    finally:
        client.kill()
        client.communicate()


def _text(text: str) -> bytes:
    """Return a UTF-8 string with its length before it (section 1.5.3)."""
    data = text.encode()
    return len(data).to_bytes(2, "big") + data
