"""What a proof makes of damaged bundles, and of servers that answer wrongly or not at all."""

from __future__ import annotations

import datetime as dt
import json
import socket
import ssl
import sys
import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.errors import UsageError
from pipeline.mqtt import ProofError, check_topic, prove, prove_refused, read_bundle, session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.mqtt import BundleFiles

CONNACK = bytes([0x20, 3, 0, 0x00, 0])
CONNACK_SERVER_UNAVAILABLE = bytes([0x20, 3, 0, 0x88, 0])
DISCONNECT_NOT_AUTHORIZED = bytes([0xE0, 2, 0x87, 0])

NAMES_ASKED_FOR: list[str | None] = []
"""What clients of ``server`` said in TLS they wanted to reach, in the order of their connections."""


@pytest.fixture
def bundle(tmp_path: Path) -> BundleFiles:
    """A whole bundle whose certificate signs itself, so that it can serve as the server's too."""
    folder = tmp_path / "TestThing001"
    folder.mkdir(mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TestThing001")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    (folder / "thing.pem").write_bytes(certificate)
    (folder / "root-ca.pem").write_bytes(certificate)
    (folder / "thing.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    write_config(folder)
    return read_bundle(folder)


def write_config(folder: Path, **changes: object) -> None:
    config: dict[str, object] = {
        "endpoint": "localhost",
        "port": 8883,
        "cert": "thing.pem",
        "key": "thing.key",
        "root-ca": "root-ca.pem",
        "thing-name": "TestThing001",
    }
    config |= {name.replace("_", "-"): value for name, value in changes.items()}
    (folder / "config.json").write_text(json.dumps(config), encoding="ascii")


@contextmanager
def server(bundle: BundleFiles, *answers: bytes) -> Iterator[tuple[BundleFiles, list[str | None]]]:
    """Serve one connection: an answer for each packet, and the end of the connection after the last.

    Yields the bundle with the server's port, and the ALPN protocols that connections agreed on.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle.certificate, bundle.key)
    context.set_alpn_protocols(["x-amzn-mqtt-ca"])
    context.sni_callback = lambda _socket, name, _context: NAMES_ASKED_FOR.append(name)
    agreed: list[str | None] = []

    def serve() -> None:
        with (
            suppress(OSError),
            closing(listener.accept()[0]) as raw,
            context.wrap_socket(raw, server_side=True) as connection,
        ):
            agreed.append(connection.selected_alpn_protocol())
            for answer in answers:
                connection.recv(4096)
                connection.sendall(answer)
            while not answers and connection.recv(4096):
                pass  # silent until the client gives up

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield replace(bundle, port=listener.getsockname()[1]), agreed
        finally:
            # A server that no client ever reached still waits in accept: reach it.
            with suppress(OSError), socket.create_connection(listener.getsockname()):
                pass
            thread.join()


def refusal(proof: partial[Any]) -> ProofError:
    with pytest.raises(ProofError) as caught:
        anyio.run(proof)
    return caught.value


def test_a_server_that_is_unavailable_is_no_refusal_of_the_device(bundle: BundleFiles) -> None:
    """A CONNACK that says nothing of authority is told apart, and counts as no refused client id."""
    with server(bundle, CONNACK_SERVER_UNAVAILABLE) as (served, _):
        assert refusal(partial(prove, served)).code == "ServerRefused"
    with server(bundle, CONNACK_SERVER_UNAVAILABLE) as (served, _):
        assert refusal(partial(prove_refused, served)).code == "ServerRefused"


def test_a_connection_closed_on_a_message_is_a_refused_message(bundle: BundleFiles) -> None:
    """A server that disconnects instead of acknowledging has refused the message, and its reason is kept."""
    with server(bundle, CONNACK, DISCONNECT_NOT_AUTHORIZED) as (served, _):
        error = refusal(partial(prove, served))
    assert error.code == "PublishRefused"
    assert "0x87" in error.message


def test_a_server_that_never_answers_ends_in_a_timeout(bundle: BundleFiles) -> None:
    """A silent server is given up, and the message says what was waited for."""
    with server(bundle) as (served, _):
        error = refusal(partial(prove, served, timeout=0.3))
    assert error.code == "Timeout"
    assert "the answer to CONNECT" in error.message


def test_a_proof_can_be_cancelled_while_it_waits(bundle: BundleFiles) -> None:
    """Cancelling a proof ends its thread and its connection, whatever its own time limit."""

    async def cancelled() -> bool:
        with server(bundle) as (served, agreed), anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(partial(prove, served, timeout=3600))
                # The handshake is over, and the answer to CONNECT is waited for.
                while not agreed:  # noqa: ASYNC110 - the server's thread signals no event of this loop
                    await anyio.sleep(0.01)
                scope.cancel()
        return scope.cancelled_caught

    assert anyio.run(cancelled)


def test_nobody_listening_is_a_refused_connection(bundle: BundleFiles) -> None:
    """A port on which nothing listens is not taken for a server's refusal."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        absent = replace(bundle, port=unused.getsockname()[1])
        assert refusal(partial(prove_refused, absent)).code == "ConnectionRefused"


def test_port_443_asks_for_mqtt_by_alpn(bundle: BundleFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the port it shares with HTTPS, AWS IoT speaks MQTT only to those who ask for it by ALPN."""
    with server(bundle, CONNACK_SERVER_UNAVAILABLE) as (served, agreed):
        refusal(partial(prove, served))
        assert agreed == [None]
    with server(bundle, CONNACK_SERVER_UNAVAILABLE) as (served, agreed):
        monkeypatch.setattr(session, "_ALPN_PORT", served.port)
        refusal(partial(prove, served))
        assert agreed == ["x-amzn-mqtt-ca"]


def test_a_key_of_another_certificate_is_a_bad_bundle_and_stays_secret(bundle: BundleFiles) -> None:
    """Key and certificate that are no pair are refused before anything is sent, without quoting the key."""
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    bundle.key.write_bytes(other)
    error = refusal(partial(prove, bundle))
    assert error.code == "BadBundle"
    assert not any(
        line in f"{error!r}{error.message}{error.__cause__!r}" for line in other.decode().split("\n")[1:2]
    )


def test_an_encrypted_key_is_a_bad_bundle_and_asks_nobody(bundle: BundleFiles) -> None:
    """A key that needs a pass phrase is refused instead of a question on the terminal."""
    bundle.key.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"pass phrase"),
        )
    )
    error = refusal(partial(prove, bundle))
    assert error.code == "BadBundle"
    assert "encrypted" in error.message


@pytest.mark.parametrize("missing", ["certificate", "key", "root_ca"])
def test_a_missing_file_is_a_bad_bundle(bundle: BundleFiles, missing: str) -> None:
    """Every file that the configuration names must be there."""
    getattr(bundle, missing).unlink()
    assert refusal(partial(prove, bundle)).code == "BadBundle"


def test_the_server_is_told_which_endpoint_is_meant(bundle: BundleFiles) -> None:
    """AWS IoT serves many accounts at one address, and finds the account by the name that TLS carries (SNI)."""
    with server(bundle, CONNACK_SERVER_UNAVAILABLE) as (served, _):
        refusal(partial(prove, served))
    assert NAMES_ASKED_FOR[-1] == "localhost"


@pytest.mark.parametrize("topic", ["", "things/\0", "t" * 257, "\u20ac" * 86, "things/#"], ids=repr)
def test_a_topic_that_nobody_can_publish_to_is_a_usage_error(topic: str) -> None:
    """Its length counts in bytes, as AWS IoT does."""
    with pytest.raises(UsageError, match="cannot be published"):
        check_topic(topic)


@pytest.mark.parametrize("topic", ["t", "t" * 256, "\u20ac" * 85, "plant-2/line 7/{thing}"], ids=repr)
def test_any_other_topic_is_taken(topic: str) -> None:
    """The policy decides about it, and not this tool."""
    check_topic(topic)


def test_a_topic_with_a_wildcard_is_a_usage_error(bundle: BundleFiles) -> None:
    """MQTT 5 (section 3.3.2.1) forbids wildcards in the topic of a message."""
    with pytest.raises(UsageError, match="wildcard"):
        anyio.run(partial(prove, bundle, topic="things/+/proof"))


def test_without_the_extra_the_advice_is_to_install_it(
    bundle: BundleFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing library is named with the command that installs it."""
    monkeypatch.setitem(sys.modules, "paho.mqtt", None)
    with pytest.raises(UsageError) as caught:
        anyio.run(prove, bundle)
    assert caught.value.advice == "pip install 'thingmill[mqtt]'"


@pytest.mark.parametrize(
    "change",
    [
        {"key": "../stolen.key"},
        {"key": "/etc/hostname"},
        {"cert": ".."},
        {"cert": "."},
        {"cert": ""},
        {"root_ca": "a\\b.pem"},
        {"root_ca": "nul\0.pem"},
        {"key": 7},
        {"port": True},
        {"port": 0},
        {"port": 65_536},
        {"port": "8883"},
        {"endpoint": "host name"},
        {"endpoint": "-" * 64},
        {"thing_name": "+"},
        {"thing_name": None},
    ],
    ids=repr,
)
def test_a_configuration_that_cannot_be_meant_is_refused(bundle: BundleFiles, change: dict[str, object]) -> None:
    """Names that lead out of the folder and values of the wrong kind make a bad bundle."""
    folder = bundle.key.parent
    write_config(folder, **change)
    with pytest.raises(ProofError) as caught:
        read_bundle(folder)
    assert caught.value.code == "BadBundle"


def test_a_link_that_leads_out_of_the_bundle_is_refused(bundle: BundleFiles, tmp_path: Path) -> None:
    """A symbolic link is followed before it is judged."""
    (tmp_path / "elsewhere.key").write_bytes(bundle.key.read_bytes())
    bundle.key.unlink()
    bundle.key.symlink_to(tmp_path / "elsewhere.key")
    with pytest.raises(ProofError, match="leads out"):
        read_bundle(bundle.key.parent)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{" * 5_000], ids=["empty", "list", "bytes", "deep"])
def test_a_damaged_configuration_is_a_bad_bundle(bundle: BundleFiles, content: bytes) -> None:
    """Whatever stands in config.json, the answer is a ProofError."""
    folder = bundle.key.parent
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ProofError) as caught:
        read_bundle(folder)
    assert caught.value.code == "BadBundle"
