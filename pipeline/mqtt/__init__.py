"""Prove a bundle the way its device will use it: connect over MQTT with nothing but the bundle's own files.

TLS 1.2 or newer, server verified against the bundle's own roots, SNI with the whole endpoint, MQTT 5 for
its reason codes, client id = thing name, one QoS 1 message acknowledged.
"""

from __future__ import annotations

from anyio import to_thread

from pipeline.errors import UsageError
from pipeline.mqtt.bundle import BundleFiles, ProofError, read_bundle
from pipeline.mqtt.session import exchange
from pipeline.text import printable

__all__ = ["BundleFiles", "ProofError", "prove", "prove_refused", "read_bundle"]


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
    await to_thread.run_sync(exchange, bundle, client_id or bundle.thing_name, topic, timeout)


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
        await to_thread.run_sync(exchange, bundle, stranger, None, timeout)
    except ProofError as error:
        if error.code in {"NotAuthorized", "ConnectionClosed"}:
            return error.message
        raise
    raise ProofError(
        "LetIn",
        f"{bundle.thing_name} was let in under the client id {printable(stranger)!r}",
        advice="give the policy a resource `client/${iot:Connection.Thing.ThingName}` and no wildcard",
    )
