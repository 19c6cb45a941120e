"""A device's private key opened, for formats that write it in another form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline import keys
from pipeline.codes import DeviceCode
from pipeline.errors import DeviceError

if TYPE_CHECKING:
    from pipeline.bundles.parts import Parts
    from pipeline.keys import PrivateKey

__all__ = ["opened_key"]


def opened_key(parts: Parts) -> PrivateKey:
    """Return the private key of a device.

    Args:
        parts: Those of a device whose key is at hand.

    Raises:
        DeviceError: The key's file is encrypted, or is no key.
    """
    if parts.key is None:
        raise AssertionError(f"{parts.device.thing_name} keeps its own key")
    if parts.key.encrypted:
        raise DeviceError(
            6,
            DeviceCode.KEY_ENCRYPTED,
            f"{parts.device.thing_name}'s key is encrypted, and this format takes it in clear",
            advice="export the format with --identity or --passphrase, and --in-clear",
        )
    key = keys.parsed(parts.key.data.reveal())
    if key is None:
        raise DeviceError(
            6,
            DeviceCode.STRANGE_KEY,
            f"{parts.device.thing_name}.key is no private key",
            advice="put the file back as it was, then run the same command again",
        )
    return key
