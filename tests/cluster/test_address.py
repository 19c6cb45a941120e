"""Which schedulers a run lets make its keys, and what is said of the others."""

from __future__ import annotations

import pytest

from pipeline.cluster.address import cluster_at
from pipeline.errors import UsageError
from pipeline.settings import Cluster


@pytest.mark.parametrize(
    ("url", "insecure"),
    [
        ("tls://scheduler:8786", False),
        ("tls://10.1.2.3:8786", False),
        ("tls://[2001:db8::1]:8786", False),
        ("tcp://127.0.0.1:8786", True),
        ("tcp://localhost:8786", True),
        ("tcp://[::1]:8786", True),
    ],
)
def test_a_scheduler_is_reached_over_tls_or_on_this_machine(url: str, insecure: bool) -> None:
    """TLS from anywhere; without it on loopback, where that was asked for."""
    assert cluster_at(url, insecure=insecure) == Cluster(url, insecure)


@pytest.mark.parametrize(
    ("url", "insecure", "reason"),
    [
        ("tcp://scheduler:8786", False, "not reached over TLS"),
        ("tcp://scheduler:8786", True, "is on another machine and not reached over TLS"),
        ("tcp://10.1.2.3:8786", True, "is on another machine"),
        ("tcp://0.0.0.0:8786", True, "is on another machine"),
        ("tcp://127.0.0.1.example:8786", True, "is on another machine"),
        ("tcp://127.0.0.1:8786", False, "is not reached over TLS"),
        ("tls://scheduler:8786", True, "is reached over TLS"),
        ("tls://127.0.0.1:8786", True, "is reached over TLS"),
        ("ws://127.0.0.1:8786", True, "neither a number of processes nor the address"),
        ("inproc://127.0.0.1:8786", True, "neither a number of processes nor the address"),
        ("https://scheduler:8786", False, "neither a number of processes nor the address"),
        ("tls://scheduler", False, "no address of a scheduler"),
        ("tls://:8786", False, "no address of a scheduler"),
        ("tls://scheduler:0", False, "no address of a scheduler"),
        ("tls://scheduler:99999", False, "no address of a scheduler"),
        ("tls://scheduler:8786/path", False, "no address of a scheduler"),
        ("tls://scheduler:8786?x=1", False, "no address of a scheduler"),
        ("tls://[::1:8786", False, "no address of a scheduler"),
        ("tls://me:confided@scheduler:8786", False, "has a user or a password in it"),
        ("tcp://127.0.0.1:8786@evil.example:1", True, "has a user or a password in it"),
    ],
)
def test_other_addresses_are_refused(url: str, insecure: bool, reason: str) -> None:
    """What carries orders in clear, or is no address, is named with what to give instead, without passwords."""
    with pytest.raises(UsageError, match=reason) as caught:
        cluster_at(url, insecure=insecure)
    assert caught.value.advice
    assert "confided" not in caught.value.message + caught.value.advice
