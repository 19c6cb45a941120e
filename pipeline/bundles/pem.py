"""The bundle as thingmill's users know it: PEM files beside a ``config.json`` for aws-iot-device-client.

The private key is not in here: it is in the device's folder already, where it was made.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.bundles.parts import Endpoint
    from pipeline.device import Certificate, Device

__all__ = ["contents", "roots_name"]

ROOTS = "root-ca.pem"


def roots_name(thing_name: str) -> str:
    """Return the name of the roots' file in a thing's bundle."""
    # A thing may have any name, also that of the roots' file.
    return ROOTS if thing_name.casefold() != "root-ca" else "amazon-root-ca.pem"


def contents(
    device: Device, certificate: Certificate, endpoint: Endpoint, key_suffix: str = ""
) -> dict[str, bytes]:
    """Return the public files of a bundle by name.

    The keys of ``config.json`` are those of aws-iot-device-client, and ``port``; files are named relative to it.
    ``key`` is the key as the device will have it, and ``key-encrypted`` the file that it lies in until then, where
    that is another. A device that keeps its own key gets no ``key``, but ``key-held-by``.

    Args:
        device: Whose bundle it is.
        certificate: The device's own.
        endpoint: Where it connects.
        key_suffix: What follows ``.key`` in the name of its key's file: ``.age``, or nothing.
    """
    name = device.thing_name
    roots = roots_name(name)
    config: dict[str, str | int] = {
        "endpoint": endpoint.host,
        "port": endpoint.port,
        "thing-name": name,
        "cert": f"{name}.pem",
        "key": f"{name}.key",
        "root-ca": roots,
    }
    if device.csr is not None:
        del config["key"]
        config["key-held-by"] = "device"
    elif key_suffix:
        config["key-encrypted"] = f"{name}.key{key_suffix}"
    return {
        f"{name}.pem": certificate.pem.encode("ascii"),
        roots: endpoint.roots.encode("ascii"),
        "config.json": (json.dumps(config, indent=2) + "\n").encode("ascii"),
    }
