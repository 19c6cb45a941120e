"""What a bundle is made from, whatever its format, and what a format makes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.device import Certificate, Device
    from pipeline.secret import Secret

__all__ = ["HOST_NAME", "Contents", "Endpoint", "KeyFile", "Parts"]

HOST_NAME = re.compile(r"(?=.{1,253}\Z)(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}")
"""What a device can be told to connect to (RFC 1123, section 2.1, for lengths RFC 1035, section 2.3.4)."""

Contents = Mapping[str, "bytes | Secret"]
"""Files by name; a ``Secret`` becomes a file that its owner alone may read (0400)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where devices of a run connect.

    Attributes:
        host: The host name of the account's Data-ATS endpoint.
        port: 8883, or another for an emulator.
        roots: The PEM roots that a device needs to trust it.
    """

    host: str
    port: int
    roots: str


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A device's private key as it lies in its folder.

    Attributes:
        data: PKCS #8 PEM (RFC 5958), or what it was encrypted to.
        suffix: What follows ``.key`` in its file's name: ``.age`` where it is encrypted to an age recipient.
        encrypted: Whether it takes an identity or a passphrase to use it.
    """

    data: Secret
    suffix: str = ""
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a device is given.

    Attributes:
        device: The manifest's row.
        certificate: The device's own.
        endpoint: Where it connects.
        csr: The PEM CSR that the certificate was issued for.
        key: The private key, or None where the device keeps it itself.
        password: Encrypts a PKCS #12 file, or None for one without.
    """

    device: Device
    certificate: Certificate
    endpoint: Endpoint
    csr: str
    key: KeyFile | None = None
    password: Secret | None = None
