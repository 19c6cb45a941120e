"""The calls about a thing: what it is, what hangs on it, and which groups it is in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.aws.calls import Calls

if TYPE_CHECKING:
    from types_aiobotocore_iot.type_defs import CreateThingRequestTypeDef

    from pipeline.device import Device

__all__ = ["Thing", "ThingCalls"]


@dataclass(frozen=True, slots=True)
class Thing:
    """A thing as the registry has it."""

    name: str
    thing_type: str | None
    attributes: dict[str, str]
    billing_group: str | None

    def is_as_made_for(self, device: Device) -> bool:
        """Whether it is exactly as CreateThing makes it for a device, and nobody has added to it since."""
        made = (device.thing_type, device.attributes, device.billing_group)
        return (self.thing_type, self.attributes, self.billing_group) == made


class ThingCalls(Calls):
    """Each method is one operation; the names are the API's."""

    async def describe_thing(self, name: str) -> Thing | None:
        """Return a thing, or None where there is none."""
        answer = await self._found("DescribeThing", lambda: self._iot.describe_thing(thingName=name))
        if answer is None:
            return None
        return Thing(
            name=answer["thingName"],
            thing_type=answer.get("thingTypeName") or None,
            attributes=dict(answer.get("attributes") or {}),
            billing_group=answer.get("billingGroupName") or None,
        )

    async def create_thing(self, device: Device) -> None:
        """Make a thing with its type, attributes and billing group; the same one again succeeds."""
        request: CreateThingRequestTypeDef = {"thingName": device.thing_name}
        if device.thing_type:
            request["thingTypeName"] = device.thing_type
        if device.attributes:
            request["attributePayload"] = {"attributes": device.attributes}
        if device.billing_group:
            request["billingGroupName"] = device.billing_group
        await self._call("CreateThing", lambda: self._iot.create_thing(**request), thing=device.thing_name)

    async def delete_thing(self, name: str) -> None:
        """Delete a thing that has no principal; it leaves its groups. One that is gone already is no failure."""
        await self._found("DeleteThing", lambda: self._iot.delete_thing(thingName=name), thing=name)

    async def add_thing_to_billing_group(self, thing: str, group: str) -> None:
        """Put a thing that exists into a billing group; again succeeds."""
        add = self._iot.add_thing_to_billing_group
        await self._call(
            "AddThingToBillingGroup",
            lambda: add(thingName=thing, billingGroupName=group),
            thing=thing,
            group=group,
        )

    async def list_thing_principals(self, thing: str) -> list[str]:
        """Return the ARNs of the principals attached to a thing."""
        ask = self._iot.list_thing_principals
        found = await self._all(
            "ListThingPrincipals", lambda more: ask(thingName=thing, **more), "principals", "nextToken"
        )
        return [str(principal) for principal in found]

    async def list_thing_groups_for_thing(self, thing: str) -> list[str]:
        """Return the names of the static groups that a thing is in."""
        ask = self._iot.list_thing_groups_for_thing
        found = await self._all(
            "ListThingGroupsForThing", lambda more: ask(thingName=thing, **more), "thingGroups", "nextToken"
        )
        return [str(group["groupName"]) for group in found]

    async def attach_thing_principal(self, thing: str, certificate_arn: str) -> None:
        """Attach a certificate to a thing; again succeeds."""
        attach = self._iot.attach_thing_principal
        await self._call(
            "AttachThingPrincipal",
            lambda: attach(thingName=thing, principal=certificate_arn),
            thing=thing,
            certificate=certificate_arn,
        )

    async def detach_thing_principal(self, thing: str, certificate_arn: str) -> None:
        """Detach a certificate from a thing; again succeeds, and it may take seconds to show in lists."""
        detach = self._iot.detach_thing_principal
        await self._found(
            "DetachThingPrincipal",
            lambda: detach(thingName=thing, principal=certificate_arn),
            thing=thing,
            certificate=certificate_arn,
        )

    async def add_thing_to_thing_group(self, thing: str, group: str) -> None:
        """Put a thing into a static group; again succeeds."""
        add = self._iot.add_thing_to_thing_group
        await self._call(
            "AddThingToThingGroup", lambda: add(thingName=thing, thingGroupName=group), thing=thing, group=group
        )
