"""What a key is to be, and who makes it: the processes of this machine, or a cluster in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipeline import keys, sealing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.device import KeyReceipt
    from pipeline.keys import PrivateKey
    from pipeline.sealing import Seal
    from pipeline.settings import KeyType
    from pipeline.workers import Workers

__all__ = ["KeyMakers", "KeyOrder", "LocalKeys"]


@dataclass(frozen=True, slots=True)
class KeyOrder:
    """The key of one device, to be had on disk with its CSR.

    Attributes:
        folder: The device's staging folder.
        thing_name: Names the files.
        common_name: The CSR's only name.
        key_type: The key to make.
        expected: The SPKI hash of a key that was made before: then none other will do.
        seal: Encrypts the key before it touches the disk, or None.
    """

    folder: Path
    thing_name: str
    common_name: str
    key_type: KeyType
    expected: str | None = None
    seal: Seal | None = None

    def carry_out(
        self, made: Callable[[KeyType, str], tuple[PrivateKey, str]] = keys.generate_signed
    ) -> KeyReceipt:
        """Have key and CSR on disk, and return the receipt for them; a key that is there already is taken up.

        Args:
            made: Returns a new key and its CSR for the common name, where none is there yet.

        Raises:
            DeviceError: A key is there that this run cannot have made, or the one that should be there is not.
            DiskError: The disk refused.
        """
        asked = (self.folder, self.thing_name, self.common_name, self.key_type, self.expected)
        if self.seal is None:
            return keys.ensure_key(*asked, made)
        return sealing.ensure_sealed_key(*asked, self.seal, made)


class KeyMakers(Protocol):
    """Whoever makes keys."""

    @property
    def waiting(self) -> int:
        """How many keys are asked for and not yet in work."""

    async def make(self, order: KeyOrder) -> KeyReceipt:
        """Have a key on disk, and return the receipt for it.

        Raises:
            ThingmillError: It cannot be had; a ``DeviceError`` where that is this device's own trouble.
        """


@dataclass(frozen=True, slots=True)
class LocalKeys:
    """Keys made in processes of this machine, each of which stays in the one that writes it to disk."""

    workers: Workers

    @property
    def waiting(self) -> int:
        """How many keys are asked for and not yet in work."""
        return self.workers.waiting

    async def make(self, order: KeyOrder) -> KeyReceipt:
        """Have a key on disk, and return the receipt for it.

        Raises:
            DeviceError: It is not the device's, or not there any more.
            DiskError: The disk refused.
            ThingmillError: The processes die again and again.
        """
        return await self.workers.do(order.carry_out)
