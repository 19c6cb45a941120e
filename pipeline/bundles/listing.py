"""What a listing is: files about all devices of a run, which no device's own folder can hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.device import Certificate, Device

__all__ = ["Listed", "Listing"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A device that is done, as a listing has it.

    Attributes:
        device: The manifest's row.
        certificate: The device's own.
        folder: Its bundle's path relative to the run's folder, with ``/`` between its parts.
        has_key: Whether its private key is in the bundle; if not, the device keeps it itself.
    """

    device: Device
    certificate: Certificate
    folder: str
    has_key: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """Files of a run that list its devices, in a folder of the listing's name beside the reports.

    Nothing in them is secret.

    Attributes:
        static: Files that are the same for every run, by name.
        name: The name of the file that lists the devices.
        header: What stands in it before the first device.
        line: Makes what stands in it for one device, with the end of the line; b"" leaves it out.
        about: What it is for, in a few words.
        opens_key: Whether it leads to keys that have to be in clear in their bundles.
    """

    static: Mapping[str, bytes]
    name: str
    header: bytes
    line: Callable[[Listed], bytes]
    about: str
    opens_key: bool = False
