"""Step 1 of a device: its thing exists, as the manifest has it, and has no certificate that we do not know of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.aws.failures import CallError, Failure
from pipeline.errors import DeviceError
from pipeline.settings import Existing
from pipeline.text import printable

if TYPE_CHECKING:
    from pipeline.aws.registry import Registry, Thing
    from pipeline.device import Device

__all__ = ["SkippedError", "ensure_thing"]


class SkippedError(Exception):
    """The device is left alone, as the user asked for."""

    def __init__(self, reason: DeviceError) -> None:
        super().__init__(reason.message)
        self.reason = reason


async def ensure_thing(registry: Registry, device: Device, existing: Existing) -> bool:
    """Have the thing in the registry, and return whether this call made it.

    A thing that is there is never changed, but for its billing group: other software may rely on what it says.

    Args:
        registry: AWS IoT.
        device: The device whose thing it is.
        existing: What to do when a certificate is attached to the thing already.

    Raises:
        DeviceError: The thing is there and is not as the manifest has it, or has a certificate already.
        SkippedError: It has a certificate already, and the user asked to leave such things alone.
        CallError: AWS refused.
    """
    thing = await registry.describe_thing(device.thing_name)
    if thing is None:
        try:
            await registry.create_thing(device)
        except CallError as error:
            if error.failure is Failure.REFUSED and error.code == "ResourceAlreadyExistsException":
                raise _differs(device, "it was made by somebody else a moment ago") from error
            raise
        return True
    _compare(device, thing)
    if existing is not Existing.ADD and await registry.list_thing_principals(device.thing_name):
        reason = DeviceError(
            1,
            "ThingHasCertificate",
            f"the thing {device.thing_name} has a certificate attached already",
            advice="leave such things alone with --existing skip, or give them another one with --existing add",
        )
        if existing is Existing.SKIP:
            raise SkippedError(reason)
        raise reason
    if device.billing_group and device.billing_group != thing.billing_group:
        await registry.add_thing_to_billing_group(device.thing_name, device.billing_group)
    return False


def _compare(device: Device, thing: Thing) -> None:
    if device.thing_type and thing.thing_type != device.thing_type:
        found = printable(thing.thing_type or "none", 128)
        raise _differs(device, f"its thing type is {found}, not {device.thing_type}")
    for name, value in device.attributes.items():
        if thing.attributes.get(name) != value:
            found = printable(thing.attributes.get(name, "missing"), 128)
            raise _differs(device, f"its attribute {name} is {found}, not {value}")


def _differs(device: Device, how: str) -> DeviceError:
    return DeviceError(
        1,
        "ThingDiffers",
        f"the thing {device.thing_name} exists and is not as the manifest has it: {how}",
        advice="update the thing, or correct the row",
    )
