"""The formats by name. A new one is a module beside this one, one line here, and its name in ``names``.

``pem`` is not among them: a device's folder is that bundle, whatever other formats are asked for besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.bundles import (
    archives,
    aws_console,
    c_header,
    der,
    device_client,
    esp_nvs,
    esp_secure_cert,
    greengrass,
    pkcs12,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.bundles.parts import Contents, Parts

__all__ = ["FORMATS", "PEM", "PKCS12", "Format"]

PEM = "pem"
"""The format that every bundle has."""

PKCS12 = "pkcs12"
"""The one format that can have a password of its own."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format that a device's files can be had in.

    Attributes:
        make: Makes the files of one device.
        about: What it is for, in a few words.
        opens_key: Whether the key itself is written in another form, so that one that is encrypted will not do.
            Other formats take the key's file as it is.
        needs_key: Whether it means nothing for a device that keeps its key itself.
        matches: Whether files that were made earlier are those of a device, where making them again gives other
            bytes (a salt, a nonce); None where equal parts give equal bytes.
    """

    make: Callable[[Parts], Contents]
    about: str
    opens_key: bool = False
    needs_key: bool = False
    matches: Callable[[Parts, Mapping[str, bytes]], bool] | None = None


FORMATS: dict[str, Format] = {
    "aws-console": Format(aws_console.contents, "files named as the AWS console names its downloads"),
    "greengrass": Format(greengrass.contents, "the installer of AWS IoT Greengrass v2"),
    "device-client": Format(device_client.contents, "aws-iot-device-client"),
    PKCS12: Format(
        pkcs12.contents,
        "one .p12 file with key, certificate and roots",
        opens_key=True,
        needs_key=True,
        matches=pkcs12.matches,
    ),
    "der": Format(der.contents, "firmware without a PEM parser", opens_key=True),
    "esp-nvs": Format(esp_nvs.contents, "the NVS partition of ESP devices", opens_key=True),
    "esp-secure-cert": Format(esp_secure_cert.contents, "esp-secure-cert-tool of ESP devices", opens_key=True),
    "c-header": Format(c_header.contents, "headers of FreeRTOS's AWS demos", opens_key=True),
    "tar": Format(archives.tar, "the PEM files as one tar file"),
    "zip": Format(archives.zipped, "the PEM files as one zip file"),
}
"""By name."""
