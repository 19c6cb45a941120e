"""One MQTT connection with a bundle's own files, driven by hand so that every refusal has a name.

paho-mqtt runs in a worker thread, since it says *why* the server refused: aiomqtt, which wraps it, drops the
reason code of a PUBACK (a refused message looks like a delivered one) and does not notice a connection that
is closed before CONNACK, which is how AWS IoT answers a certificate that is not active.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from typing import TYPE_CHECKING

from anyio import from_thread

from pipeline.codes import ProofCode
from pipeline.errors import UsageError
from pipeline.mqtt.bundle import ProofError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import NoReturn, Self

    from paho.mqtt.reasoncodes import ReasonCode

    from pipeline.mqtt.bundle import BundleFiles

__all__ = ["exchange"]

# MQTT with a client certificate on port 443 (AWS IoT Developer Guide, "Device communication protocols").
_ALPN_PORT, _ALPN = 443, "x-amzn-mqtt-ca"

# MQTT 5, section 3.2.2.2: bad user name or password, not authorized, banned.
_NOT_AUTHORIZED = frozenset({0x86, 0x87, 0x8A})

# What the buffer of a pipe holds on every system that we run on.
_PIPE_BYTES = 16_384

# How soon a cancelled proof ends; an answer from the server is never waited for in steps.
_CANCEL_SECONDS = 0.2


def exchange(bundle: BundleFiles, client_id: str, topic: str | None, timeout: float) -> None:
    """Connect, publish if there is a topic, disconnect. Runs in a worker thread."""
    with _Session(bundle, client_id, timeout) as session:
        session.connect()
        if topic is not None:
            session.publish(topic)


class _Session:
    """One connection of paho-mqtt, driven by hand: no thread and no reconnecting of its own."""

    def __init__(self, bundle: BundleFiles, client_id: str, timeout: float) -> None:
        try:
            # An extra, and only a proof needs it.
            from paho.mqtt import client as paho  # noqa: PLC0415
            from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415
        except ImportError as error:
            raise UsageError(
                "proving a bundle needs the extra `mqtt`", advice="pip install 'thingmill[mqtt]'"
            ) from error
        self._bundle = bundle
        self._seconds = timeout
        self._deadline = time.monotonic() + timeout
        self._connack: list[ReasonCode] = []
        self._puback: list[ReasonCode] = []
        self._closed: list[ReasonCode] = []
        # The callbacks hold the lists and not this object: without a cycle paho's sockets go at once.
        connack, puback, closed = self._connack, self._puback, self._closed
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
        )
        self._client.connect_timeout = timeout
        self._client.tls_set_context(_tls_context(bundle))
        self._client.on_connect = lambda _client, _data, _flags, reason, _properties: connack.append(reason)
        self._client.on_publish = lambda _client, _data, _mid, reason, _properties: puback.append(reason)
        self._client.on_disconnect = lambda _client, _data, _flags, reason, _properties: closed.append(reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye if there is a connection, and leave no socket behind."""
        self._client.disconnect()
        left_over = self._client.socket()
        if left_over is not None:
            left_over.close()

    def connect(self) -> None:
        """Reach the server and be let in.

        Raises:
            ProofError: It was not so, and why.
        """
        where = f"{self._bundle.endpoint}:{self._bundle.port}"
        try:
            self._client.connect(self._bundle.endpoint, self._bundle.port)
        except ssl.SSLError as error:
            why = getattr(error, "verify_message", "") or error.reason or "no reason given"
            raise ProofError(
                ProofCode.TLS_FAILED, f"TLS with {where} failed: {printable(str(why))}", advice=_TLS_ADVICE
            ) from error
        except TimeoutError as error:
            raise self._timed_out(f"TLS with {where}") from error
        except OSError as error:
            raise ProofError(
                _network_code(error), f"{where}: {printable(error.strerror or str(error))}", advice=_NETWORK_ADVICE
            ) from error
        self._await(self._connack, "the answer to CONNECT")
        reason = self._connack[0]
        if reason.is_failure:
            code = ProofCode.NOT_AUTHORIZED if reason.value in _NOT_AUTHORIZED else ProofCode.SERVER_REFUSED
            raise ProofError(code, f"the server refused to connect: {_say(reason)}", advice=_POLICY_ADVICE)

    def publish(self, topic: str) -> None:
        """Publish one message with QoS 1.

        Raises:
            ProofError: The server did not take it, and why.
        """
        self._client.publish(topic, b"{}", qos=1)
        try:
            self._await(self._puback, "the acknowledgement of a message")
        except ProofError as error:
            if error.code != ProofCode.CONNECTION_CLOSED:
                raise
            self._refuse_publish(topic, error.message)
        if self._puback[0].is_failure:
            self._refuse_publish(topic, _say(self._puback[0]))

    def _refuse_publish(self, topic: str, why: str) -> NoReturn:
        raise ProofError(
            ProofCode.PUBLISH_REFUSED,
            f"the server refused a message to {printable(topic)}: {why}",
            advice=_POLICY_ADVICE,
        )

    def _await(self, answers: list[ReasonCode], what: str) -> None:
        """Let paho work until the answer is there; bounded by the deadline."""
        while not answers:
            from_thread.check_cancelled()
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise self._timed_out(what)
            if self._client.loop(min(left, _CANCEL_SECONDS)) and not answers:
                reason = f" ({_say(self._closed[0])})" if self._closed else ""
                raise ProofError(
                    ProofCode.CONNECTION_CLOSED,
                    f"the server closed the connection instead of {what}{reason}",
                    advice="AWS IoT does so when the certificate is unknown or not active",
                )

    def _timed_out(self, what: str) -> ProofError:
        message = f"{what} did not come within {self._seconds:g} s"
        return ProofError(ProofCode.TIMEOUT, message, advice=_NETWORK_ADVICE)


_TLS_ADVICE = "look whether the bundle's root CA is the one that the endpoint's certificate comes from"
_NETWORK_ADVICE = "look at the network, and whether this port is open on the way (--port 443 often is)"
_POLICY_ADVICE = "look at the policy of the certificate, and whether the certificate is attached to its thing"


def _network_code(error: OSError) -> ProofCode:
    match error:
        case socket.gaierror():
            return ProofCode.UNKNOWN_HOST
        case ConnectionRefusedError():
            return ProofCode.CONNECTION_REFUSED
        case _:
            return ProofCode.CONNECTION_FAILED


def _say(reason: ReasonCode) -> str:
    return f"{printable(str(reason))} (0x{reason.value:02x})"


class _TidySocket(ssl.SSLSocket):
    """A socket that a failed handshake closes, where paho would leave it to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


@contextlib.contextmanager
def _key_path(bundle: BundleFiles) -> Iterator[str]:
    """Yield a path that OpenSSL reads the key from, which takes nothing but a path.

    A key that was opened in memory goes through a pipe of this process, so it has no name on any file system, not
    even encrypted, and is gone when it was read; a temporary file would outlive a kill. A key fits into the buffer
    of a pipe (16 KiB on macOS, 64 KiB on Linux), so writing it never waits.
    """
    if bundle.opened is None:
        yield str(bundle.key)
        return
    data = bundle.opened.reveal()
    if len(data) > _PIPE_BYTES:
        raise ProofError(ProofCode.BAD_BUNDLE, f"the key of {bundle.thing_name} is too long to be one")
    reading, writing = os.pipe()
    try:
        try:
            os.write(writing, data)
        finally:
            os.close(writing)
        yield f"/dev/fd/{reading}"
    finally:
        os.close(reading)


def _tls_context(bundle: BundleFiles) -> ssl.SSLContext:
    """Return the device's TLS settings: its key and certificate, and its roots alone.

    Raises:
        ProofError: ``BadBundle``: a file is missing, or key and certificate are no pair.
    """

    def no_password() -> str:
        # Without this OpenSSL would ask on the terminal.
        raise ProofError(ProofCode.BAD_BUNDLE, f"the key of {bundle.thing_name} is encrypted; open it first")

    try:
        context = ssl.create_default_context(cafile=bundle.root_ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        with _key_path(bundle) as key:
            context.load_cert_chain(bundle.certificate, key, password=no_password)
    except ssl.SSLError as error:
        # OpenSSL's name of the fault, and never its text.
        raise ProofError(
            ProofCode.BAD_BUNDLE, f"the files of {bundle.thing_name} cannot be used: {error.reason or 'not PEM'}"
        ) from None
    except OSError as error:
        raise ProofError(ProofCode.BAD_BUNDLE, f"a file of {bundle.thing_name}: {error.strerror}") from error
    if bundle.port == _ALPN_PORT:
        context.set_alpn_protocols([_ALPN])
    context.sslsocket_class = _TidySocket
    return context
