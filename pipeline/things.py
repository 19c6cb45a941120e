"""Step 1 of a device: its thing exists, as the manifest has it, and has no certificate that we do not know of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.arns import CERTIFICATE_ARN
from pipeline.aws.failures import CallError, Failure
from pipeline.codes import DeviceCode
from pipeline.errors import DeviceError
from pipeline.settings import Existing
from pipeline.stop import StoppedError
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pipeline.aws.registry import Registry, Thing
    from pipeline.device import Device

__all__ = ["Found", "SkippedError", "ensure_thing"]


class SkippedError(Exception):
    """The device is left alone, as the user asked for."""

    def __init__(self, reason: DeviceError) -> None:
        super().__init__(reason.message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Found:
    """What step 1 found.

    Attributes:
        created: Whether this run made the thing.
        old_certificates: The ARNs of the certificates that it had before this run, where they will be retired.
    """

    created: bool
    old_certificates: tuple[str, ...] = ()


async def ensure_thing(
    registry: Registry,
    device: Device,
    existing: Existing,
    intend: Callable[[bool], Awaitable[None]],
    *,
    intended: bool = False,
) -> Found:
    """Have the thing in the registry, and return what it was like.

    A thing that is there is never changed, but for its billing group: other software may rely on what it says.

    Args:
        registry: AWS IoT.
        device: The device whose thing it is.
        existing: What to do when a certificate is attached to the thing already.
        intend: Makes durable that the thing is about to be made (True), or that it was not (False). Whoever takes
            the run back deletes only what the run made, also when it was killed just after it did.
        intended: Whether an earlier process was about to make it: it is then ours if it is there just so.

    Raises:
        DeviceError: The thing is there and is not as the manifest has it, or has a certificate already.
        SkippedError: It has a certificate already, and the user asked to leave such things alone.
        CallError: AWS refused.
    """
    thing = await registry.describe_thing(device.thing_name)
    if thing is None:
        await intend(True)
        try:
            await registry.create_thing(device)
        except (CallError, StoppedError) as error:
            if isinstance(error, CallError) and error.failure is Failure.UNANSWERED:
                raise  # it may have been made
            await intend(False)
            if isinstance(error, CallError) and error.code == "ResourceAlreadyExistsException":
                raise _differs(device, "it was made by somebody else a moment ago") from error
            raise
        return Found(created=True)
    _compare(device, thing)
    principals = [] if existing is Existing.ADD else await registry.list_thing_principals(device.thing_name)
    if principals and existing is not Existing.ROTATE:
        reason = DeviceError(
            1,
            DeviceCode.THING_HAS_CERTIFICATE,
            f"the thing {device.thing_name} has a certificate attached already",
            advice="see that no other station or run has this device; where none has, leave such things alone "
            "with --existing skip, give them another one beside it with --existing add, or one in its place with "
            "--existing rotate and thingmill retire",
        )
        if existing is Existing.SKIP:
            raise SkippedError(reason)
        raise reason
    if device.billing_group and device.billing_group != thing.billing_group:
        await registry.add_thing_to_billing_group(device.thing_name, device.billing_group)
    # A principal need not be a certificate (a Cognito identity is one too): only those are ever retired.
    old = tuple(principal for principal in principals if CERTIFICATE_ARN.fullmatch(principal))
    return Found(intended and thing.is_as_made_for(device), old)


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
        DeviceCode.THING_DIFFERS,
        f"the thing {device.thing_name} exists and is not as the manifest has it: {how}",
        advice="update the thing, or correct the row, in the manifest and in failed.csv alike",
    )
