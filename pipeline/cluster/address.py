"""A scheduler's address as ``--workers`` gives it: over TLS, or on this machine where that was asked for."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.errors import UsageError
from pipeline.settings import Cluster
from pipeline.text import printable

if TYPE_CHECKING:
    from urllib.parse import SplitResult

__all__ = ["cluster_at", "is_on_loopback"]

_FORM = "give it as tls://HOST:PORT, as the scheduler says it when it starts"


def cluster_at(url: str, *, insecure: bool) -> Cluster:
    """Return the cluster whose scheduler is at an address.

    Args:
        url: ``tls://HOST:PORT``, or ``tcp://HOST:PORT``.
        insecure: Whether the cluster is on loopback and without TLS.

    Raises:
        UsageError: Keys are not made by way of this address.
    """
    parts, port = _split(url)
    if "@" in parts.netloc:
        # Not quoted: a password may be in it.
        raise UsageError(
            "the scheduler's address has a user or a password in it, which Dask has no use for",
            advice="leave them out: who may use a scheduler is said by a client certificate",
        )
    shown = printable(url, 200)
    if parts.scheme not in {"tls", "tcp"}:
        raise UsageError(
            f"--workers {shown} is neither a number of processes nor the address of a scheduler",
            advice=f"give a whole number from 1 to 1024; for a cluster, {_FORM}",
        )
    bare = not (parts.path or parts.query or parts.fragment or "?" in url or "#" in url)
    if not parts.hostname or port is None or not bare:
        raise UsageError(f"--workers {shown} is no address of a scheduler", advice=_FORM)
    if parts.scheme == "tcp":
        _refuse_in_clear(parts.hostname, shown, insecure=insecure)
    elif insecure:
        raise UsageError(
            f"--insecure-workers is for a cluster without TLS on this machine, and {shown} is reached over TLS",
            advice="leave --insecure-workers out; the workers of this scheduler have to be reached over TLS too",
        )
    return Cluster(url, insecure=insecure)


def is_on_loopback(address: str) -> bool:
    """Whether an address, as a worker or a scheduler has it, is one in clear that does not leave this machine."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme == "tcp" and _is_loopback(parts.hostname or "")


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError("--workers is no address of a scheduler", advice=_FORM) from None
    return parts, port or None


def _refuse_in_clear(host: str, shown: str, *, insecure: bool) -> None:
    if not _is_loopback(host):
        raise UsageError(
            f"the scheduler at {shown} is on another machine and not reached over TLS",
            advice="anybody on the way could pass for the run and have keys sealed to themselves: "
            "set up TLS (docs/cluster.md), and give tls://",
        )
    if not insecure:
        raise UsageError(
            f"the scheduler at {shown} is not reached over TLS",
            advice="give tls:// (docs/cluster.md); to try a cluster out on this machine, add --insecure-workers",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
