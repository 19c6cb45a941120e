"""The bundle as thingmill's users know it: PEM files beside a ``config.json`` for aws-iot-device-client.

The private key is not in here: it is in the device's folder already, where it was made.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.bundles.parts import Endpoint
    from pipeline.device import Certificate, Device

__all__ = ["contents"]

ROOTS = "root-ca.pem"


def contents(device: Device, certificate: Certificate, endpoint: Endpoint) -> dict[str, bytes]:
    """Return the public files of a bundle by name.

    The keys of ``config.json`` are those of aws-iot-device-client, and ``port``; files are named relative to it.
    A device that keeps its own key gets no ``key``.
    """
    name = device.thing_name
    # A thing may have any name, also that of the roots' file.
    roots = ROOTS if name.casefold() != "root-ca" else "amazon-root-ca.pem"
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
    return {
        f"{name}.pem": certificate.pem.encode("ascii"),
        roots: endpoint.roots.encode("ascii"),
        "config.json": (json.dumps(config, indent=2) + "\n").encode("ascii"),
    }
