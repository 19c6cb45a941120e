"""Prove a bundle the way its device will use it: connect over MQTT with nothing but the bundle's own files.

TLS 1.2 or newer, server verified against the bundle's own roots, SNI with the whole endpoint, MQTT 5 for
its reason codes, client id = thing name, one QoS 1 message acknowledged.

paho-mqtt runs in a worker thread, since it says *why* the server refused: aiomqtt, which wraps it, drops the
reason code of a PUBACK (a refused message looks like a delivered one) and does not notice a connection that
is closed before CONNACK, which is how AWS IoT answers a certificate that is not active.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyio import from_thread, to_thread

from pipeline.errors import ThingmillError, UsageError
from pipeline.text import printable

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import NoReturn, Self

    from paho.mqtt.reasoncodes import ReasonCode

__all__ = ["BundleFiles", "ProofError", "prove", "prove_refused", "read_bundle"]

_CONFIG_BYTES = 65_536
_ENDPOINT = re.compile(r"(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}")
_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")

# MQTT with a client certificate on port 443 (AWS IoT Developer Guide, "Device communication protocols").
_ALPN_PORT, _ALPN = 443, "x-amzn-mqtt-ca"

# MQTT 5, section 3.2.2.2: bad user name or password, not authorized, banned.
_NOT_AUTHORIZED = frozenset({0x86, 0x87, 0x8A})

# How soon a cancelled proof ends; an answer from the server is never waited for in steps.
_CANCEL_SECONDS = 0.2


class ProofError(ThingmillError):
    """A bundle did not prove itself.

    Args:
        code: A short, stable name of the cause: ``BadBundle``, ``UnknownHost``, ``ConnectionRefused``,
            ``ConnectionFailed``, ``ConnectionClosed``, ``TLSFailed``, ``NotAuthorized``, ``ServerRefused``,
            ``PublishRefused``, ``Timeout`` or ``LetIn``.
        message: What happened, in one sentence.
        advice: What to do about it.
    """

    def __init__(self, code: str, message: str, *, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.code = code


@dataclass(frozen=True, slots=True)
class BundleFiles:
    """What a device finds in its bundle. The key is a path: it goes into TLS and nowhere else."""

    thing_name: str
    endpoint: str
    port: int
    certificate: Path
    key: Path
    root_ca: Path


def read_bundle(folder: Path) -> BundleFiles:
    """Return what ``config.json`` in a bundle's folder names, held inside that folder.

    Raises:
        ProofError: ``BadBundle``: it is missing or damaged, or a name in it leads out of the folder.
    """
    try:
        with (folder / "config.json").open("rb") as file:
            config = json.loads(file.read(_CONFIG_BYTES))
    except OSError as error:
        raise _bad(folder, f"config.json cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _bad(folder, "config.json is not JSON") from error
    if not isinstance(config, dict):
        raise _bad(folder, "config.json is not a JSON object")

    def text(key: str, pattern: re.Pattern[str]) -> str:
        value = config.get(key)
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        raise _bad(folder, f"config.json has no usable `{key}`")

    def inside(key: str) -> Path:
        path = folder / text(key, re.compile(r"[^/\\\0]{1,255}"))
        # Resolved, since a symbolic link leads out as well as `..` does.
        if path.name in {"", "..", "."} or path.resolve().parent != folder.resolve():
            raise _bad(folder, f"`{key}` in config.json leads out of the bundle")
        return path

    port = config.get("port")
    if type(port) is not int or not 0 < port < 65_536:  # not isinstance: True is an int
        raise _bad(folder, "config.json has no usable `port`")
    return BundleFiles(
        thing_name=text("thing-name", _THING_NAME),
        endpoint=text("endpoint", _ENDPOINT),
        port=port,
        certificate=inside("cert"),
        key=inside("key"),
        root_ca=inside("root-ca"),
    )


def _bad(folder: Path, what: str) -> ProofError:
    return ProofError("BadBundle", f"{printable(folder.name)}: {printable(what)}")


async def prove(
    bundle: BundleFiles,
    *,
    client_id: str | None = None,
    topic: str | None = None,
    timeout: float = 15.0,  # noqa: ASYNC109 - a scope cannot say what was waited for when it cut it off
) -> None:
    """Connect with the bundle, publish one message with QoS 1 and see it acknowledged.

    A server keeps one connection per client id: a device that is connected right now is put off by this.

    Args:
        bundle: What ``read_bundle`` returned.
        client_id: The thing name unless given.
        topic: ``things/THING/proof`` unless given.
        timeout: Seconds, for everything together.

    Raises:
        ProofError: It was not so, and why.
        UsageError: The extra ``mqtt`` is not installed, or the topic has a wildcard.
    """
    topic = topic or f"things/{bundle.thing_name}/proof"
    if set("#+") & set(topic):
        raise UsageError(f"a message cannot be published to the wildcard {printable(topic)!r}")
    await to_thread.run_sync(_exchange, bundle, client_id or bundle.thing_name, topic, timeout)


async def prove_refused(
    bundle: BundleFiles,
    *,
    client_id: str | None = None,
    timeout: float = 15.0,  # noqa: ASYNC109 - as in prove
) -> str:
    """Connect under another device's client id and see that refused.

    Only the server's own refusal counts: a server that is down, or not the right one, refuses nothing.

    Args:
        bundle: What ``read_bundle`` returned.
        client_id: ``not-THING`` unless given.
        timeout: Seconds, for everything together.

    Returns:
        The reason the server gave, safe to print.

    Raises:
        ProofError: ``LetIn``, or what kept the server from deciding.
        UsageError: The extra ``mqtt`` is not installed.
    """
    # AWS IoT takes client ids of up to 128 characters, as long as a thing name may be.
    stranger = client_id or f"not-{bundle.thing_name}"[:128]
    try:
        await to_thread.run_sync(_exchange, bundle, stranger, None, timeout)
    except ProofError as error:
        if error.code in {"NotAuthorized", "ConnectionClosed"}:
            return error.message
        raise
    raise ProofError(
        "LetIn",
        f"{bundle.thing_name} was let in under the client id {printable(stranger)!r}",
        advice="give the policy a resource `client/${iot:Connection.Thing.ThingName}` and no wildcard",
    )


def _exchange(bundle: BundleFiles, client_id: str, topic: str | None, timeout: float) -> None:
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
                "TLSFailed", f"TLS with {where} failed: {printable(str(why))}", advice=_TLS_ADVICE
            ) from error
        except TimeoutError as error:
            raise self._timed_out(f"TLS with {where}") from error
        except OSError as error:
            raise ProofError(
                _network_code(error), f"{where}: {printable(error.strerror or str(error))}"
            ) from error
        self._await(self._connack, "the answer to CONNECT")
        reason = self._connack[0]
        if reason.is_failure:
            code = "NotAuthorized" if reason.value in _NOT_AUTHORIZED else "ServerRefused"
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
            if error.code != "ConnectionClosed":
                raise
            self._refuse_publish(topic, error.message)
        if self._puback[0].is_failure:
            self._refuse_publish(topic, _say(self._puback[0]))

    def _refuse_publish(self, topic: str, why: str) -> NoReturn:
        raise ProofError(
            "PublishRefused", f"the server refused a message to {printable(topic)}: {why}", advice=_POLICY_ADVICE
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
                    "ConnectionClosed",
                    f"the server closed the connection instead of {what}{reason}",
                    advice="AWS IoT does so when the certificate is unknown or not active",
                )

    def _timed_out(self, what: str) -> ProofError:
        return ProofError("Timeout", f"{what} did not come within {self._seconds:g} s")


_TLS_ADVICE = "look whether the bundle's root CA is the one that the endpoint's certificate comes from"
_POLICY_ADVICE = "look at the policy of the certificate, and whether the certificate is attached to its thing"


def _network_code(error: OSError) -> str:
    match error:
        case socket.gaierror():
            return "UnknownHost"
        case ConnectionRefusedError():
            return "ConnectionRefused"
        case _:
            return "ConnectionFailed"


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


def _tls_context(bundle: BundleFiles) -> ssl.SSLContext:
    """Return the device's TLS settings: its key and certificate, and its roots alone.

    Raises:
        ProofError: ``BadBundle``: a file is missing, or key and certificate are no pair.
    """

    def no_password() -> str:
        # Without this OpenSSL would ask on the terminal.
        raise ProofError("BadBundle", f"the key of {bundle.thing_name} is encrypted; decrypt it first")

    try:
        context = ssl.create_default_context(cafile=bundle.root_ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(bundle.certificate, bundle.key, password=no_password)
    except ssl.SSLError as error:
        # OpenSSL's name of the fault, and never its text.
        raise ProofError(
            "BadBundle", f"the files of {bundle.thing_name} cannot be used: {error.reason or 'not PEM'}"
        ) from None
    except OSError as error:
        raise ProofError("BadBundle", f"a file of {bundle.thing_name}: {error.strerror}") from error
    if bundle.port == _ALPN_PORT:
        context.set_alpn_protocols([_ALPN])
    context.sslsocket_class = _TidySocket
    return context
