"""Prove a bundle the way its device will use it: connect over MQTT with nothing but the bundle's own files.

TLS 1.2 or newer, server verified against the bundle's own roots, SNI with the whole endpoint, MQTT 5 for
its reason codes, client id = thing name, one QoS 1 message acknowledged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import to_thread

from pipeline.codes import ProofCode
from pipeline.errors import UsageError
from pipeline.mqtt.bundle import BundleFiles, ProofError, read_bundle
from pipeline.mqtt.session import exchange
from pipeline.text import printable

if TYPE_CHECKING:
    from anyio import CapacityLimiter

__all__ = ["BundleFiles", "ProofError", "check_topic", "prove", "prove_refused", "read_bundle"]

_TOPIC_BYTES = 256
"""The longest topic (AWS General Reference, AWS IoT Core message broker limits)."""


def check_topic(topic: str) -> None:
    """Refuse a topic that nobody can publish to.

    Raises:
        UsageError: It is empty or too long, or has a wildcard or a null character (MQTT 5, sections 3.3.2.1
            and 4.7.3).
    """
    shown = repr(printable(topic, 80))
    if set("#+") & set(topic):
        raise UsageError(
            f"a message cannot be published to the wildcard {shown}",
            advice="leave # and + out; {thing} stands for the thing's name",
        )
    if not topic or "\0" in topic or len(topic.encode("utf-8", "surrogatepass")) > _TOPIC_BYTES:
        raise UsageError(
            f"a message cannot be published to {shown}", advice=f"a topic has 1 to {_TOPIC_BYTES} bytes of UTF-8"
        )


async def prove(
    bundle: BundleFiles,
    *,
    client_id: str | None = None,
    topic: str | None = None,
    limiter: CapacityLimiter | None = None,
    timeout: float = 15.0,  # noqa: ASYNC109 - a scope cannot say what was waited for when it cut it off
) -> None:
    """Connect with the bundle, publish one message with QoS 1 and see it acknowledged.

    A server keeps one connection per client id: a device that is connected right now is put off by this.

    Args:
        bundle: What ``read_bundle`` returned.
        client_id: The thing name unless given.
        topic: ``things/THING/proof`` unless given.
        limiter: Lends the thread that this takes; anyio's own unless given.
        timeout: Seconds, for everything together.

    Raises:
        ProofError: It was not so, and why.
        UsageError: The extra ``mqtt`` is not installed, or nobody can publish to the topic.
    """
    topic = f"things/{bundle.thing_name}/proof" if topic is None else topic
    check_topic(topic)
    client_id = client_id or bundle.thing_name
    await to_thread.run_sync(exchange, bundle, client_id, topic, timeout, limiter=limiter)


async def prove_refused(
    bundle: BundleFiles,
    *,
    client_id: str | None = None,
    limiter: CapacityLimiter | None = None,
    timeout: float = 15.0,  # noqa: ASYNC109 - as in prove
) -> str:
    """Connect under another device's client id and see that refused.

    Only the server's own refusal counts: a server that is down, or not the right one, refuses nothing.

    Args:
        bundle: What ``read_bundle`` returned.
        client_id: ``not-THING`` unless given.
        limiter: As for ``prove``.
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
        await to_thread.run_sync(exchange, bundle, stranger, None, timeout, limiter=limiter)
    except ProofError as error:
        if error.code in {ProofCode.NOT_AUTHORIZED, ProofCode.CONNECTION_CLOSED}:
            return error.message
        raise
    raise ProofError(
        ProofCode.LET_IN,
        f"{bundle.thing_name} was let in under the client id {printable(stranger)!r}",
        advice="give the policy a resource `client/${iot:Connection.Thing.ThingName}` and no wildcard",
    )
