"""The bundle as thingmill's users know it: PEM files beside a ``config.json`` for aws-iot-device-client.

``contents`` has no private key: that is in the device's folder already, where it was made.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cryptography import x509

from pipeline.bundles.parts import HOST_NAME, Endpoint

if TYPE_CHECKING:
    from pipeline.bundles.parts import Contents, Parts
    from pipeline.device import Certificate, Device
    from pipeline.secret import Secret

__all__ = ["contents", "endpoint_in", "roots_name", "whole"]

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


def whole(parts: Parts) -> Contents:
    """Return all files of a bundle by name: the public ones, the CSR, and the key where it is at hand."""
    name = parts.device.thing_name
    suffix = "" if parts.key is None else parts.key.suffix
    files: dict[str, bytes | Secret] = dict(contents(parts.device, parts.certificate, parts.endpoint, suffix))
    files[f"{name}.csr"] = parts.csr.encode("ascii")
    if parts.key is not None:
        files[f"{name}.key{suffix}"] = parts.key.data
    return files


def endpoint_in(config: bytes, roots: bytes, thing_name: str) -> Endpoint:
    """Return where a device connects, out of its bundle. Nothing in a folder that was handed over is trusted.

    Args:
        config: What ``config.json`` holds.
        roots: What the file of the roots holds.
        thing_name: Whose bundle it is.

    Raises:
        ValueError: They are not what ``contents`` makes.
    """
    found = json.loads(config)
    if not isinstance(found, dict):
        raise ValueError("config.json is no object")  # noqa: TRY004  as all that is wrong with it
    host, port = found.get("endpoint"), found.get("port")
    if not isinstance(host, str) or not HOST_NAME.fullmatch(host):
        raise ValueError("config.json has no usable endpoint")
    if type(port) is not int or not 0 < port < 65_536:  # not isinstance: True is an int
        raise ValueError("config.json has no usable port")
    if found.get("root-ca") != roots_name(thing_name) or found.get("thing-name") != thing_name:
        raise ValueError("config.json is not this bundle's")
    x509.load_pem_x509_certificates(roots)
    return Endpoint(host, port, roots.decode("ascii"))
