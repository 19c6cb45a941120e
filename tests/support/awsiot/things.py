"""Things, thing types, thing groups and billing groups: what each call on them changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tests.support.awsiot.errors import AwsError, not_found
from tests.support.awsiot.limits import GROUPS_PER_THING, check_attributes, check_name, invalid
from tests.support.awsiot.records import BillingGroup, Thing, ThingGroup, ThingType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.awsiot.records import Arns

__all__ = ["ThingRegistry"]

T = TypeVar("T")


class ThingRegistry:
    """The registry of one account.

    Args:
        arns: Makes ARNs.
        clock: Seconds since the epoch.
    """

    def __init__(self, arns: Arns, clock: Callable[[], float]) -> None:
        self.things: dict[str, Thing] = {}
        self.types: dict[str, ThingType] = {}
        self.groups: dict[str, ThingGroup] = {}
        self.billing_groups: dict[str, BillingGroup] = {}
        self._arns = arns
        self._clock = clock

    def thing(self, name: str) -> Thing:
        """Return a thing, or raise ResourceNotFoundException."""
        return _found(self.things, "thing", name)

    def thing_type(self, name: str) -> ThingType:
        """Return a thing type, or raise ResourceNotFoundException."""
        return _found(self.types, "thing type", name)

    def group(self, name: str) -> ThingGroup:
        """Return a thing group, or raise ResourceNotFoundException."""
        return _found(self.groups, "thing group", name)

    def billing_group(self, name: str) -> BillingGroup:
        """Return a billing group, or raise ResourceNotFoundException."""
        return _found(self.billing_groups, "billing group", name)

    def create_thing(
        self, name: str, thing_type: str | None, attributes: Mapping[str, str], billing_group: str | None
    ) -> Thing:
        """Create a thing; the same name and configuration again succeeds, another configuration conflicts."""
        check_name("thing", name)
        check_attributes(attributes, typed=thing_type is not None)
        if thing_type is not None:
            self.thing_type(thing_type)
        if billing_group is not None:
            self.billing_group(billing_group)
        thing = self.things.get(name)
        if thing is None:
            arn = self._arns.of("thing", name)
            thing = Thing(name, arn, thing_type, dict(attributes), billing_group)
            self.things[name] = thing
        elif (thing.thing_type, thing.attributes, thing.billing_group) != (
            thing_type,
            dict(attributes),
            billing_group,
        ):
            raise AwsError(
                "ResourceAlreadyExistsException",
                f"thing {name} exists with another configuration",
                resourceId=thing.thing_id,
                resourceArn=thing.arn,
            )
        return thing

    def update_thing(
        self,
        name: str,
        *,
        thing_type: str | None,
        remove_type: bool,
        attributes: Mapping[str, str] | None,
        merge: bool,
        expected_version: int | None,
    ) -> None:
        """Change a thing. Merged attributes with an empty value are removed."""
        thing = self.thing(name)
        _check_version(thing, expected_version)
        new_type = None if remove_type else thing_type or thing.thing_type
        if thing_type is not None:
            self.thing_type(thing_type)
        new = thing.attributes
        if attributes is not None:
            new = {**(thing.attributes if merge else {}), **attributes}
            new = {key: value for key, value in new.items() if value}
        check_attributes(new, typed=new_type is not None)
        thing.thing_type, thing.attributes = new_type, new
        thing.version += 1

    def delete_thing(self, name: str, expected_version: int | None) -> None:
        """Delete a thing that has no principal. One that does not exist is deleted already."""
        thing = self.things.get(name)
        if thing is None:
            return
        _check_version(thing, expected_version)
        if thing.principals:
            invalid(f"thing {name} has principals attached")
        for group in thing.groups:
            self.groups[group].things.pop(name, None)
        del self.things[name]

    def create_type(self, name: str, properties: Mapping[str, object]) -> ThingType:
        """Create a thing type, idempotent as CreateThing."""
        kind = self.types.get(check_name("thing type", name))
        if kind is None:
            kind = ThingType(name, self._arns.of("thingtype", name), dict(properties), self._clock())
            self.types[name] = kind
        _check_same("thing type", name, kind.arn, kind.properties == dict(properties))
        return kind

    def create_group(self, name: str, parent: str | None, properties: Mapping[str, object]) -> ThingGroup:
        """Create a static thing group, idempotent as CreateThing."""
        if parent is not None:
            self.group(parent)
        group = self.groups.get(check_name("thing group", name))
        if group is None:
            arn = self._arns.of("thinggroup", name)
            group = ThingGroup(name, arn, parent, dict(properties), self._clock())
            self.groups[name] = group
        same = (group.parent, group.properties) == (parent, dict(properties))
        _check_same("thing group", name, group.arn, same)
        return group

    def delete_group(self, name: str) -> None:
        """Delete a thing group that has no child; things leave it. One that does not exist is deleted already."""
        if any(group.parent == name for group in self.groups.values()):
            invalid(f"thing group {name} has child groups")
        group = self.groups.pop(name, None)
        for thing in group.things if group else ():
            self.things[thing].groups.remove(name)

    def create_billing_group(self, name: str, properties: Mapping[str, object]) -> BillingGroup:
        """Create a billing group, idempotent as CreateThing."""
        group = self.billing_groups.get(check_name("billing group", name))
        if group is None:
            group = BillingGroup(name, self._arns.of("billinggroup", name), dict(properties), self._clock())
            self.billing_groups[name] = group
        _check_same("billing group", name, group.arn, group.properties == dict(properties))
        return group

    def delete_billing_group(self, name: str) -> None:
        """Delete a billing group; things leave it. One that does not exist is deleted already."""
        if self.billing_groups.pop(name, None) is None:
            return
        for thing in self.things_billed(name):
            self.things[thing].billing_group = None

    def things_billed(self, group_name: str) -> list[str]:
        """Return the names of the things in a billing group, sorted."""
        return sorted(thing.name for thing in self.things.values() if thing.billing_group == group_name)

    def join_group(self, thing_name: str, group_name: str) -> None:
        """Put a thing into a thing group; once more changes nothing."""
        group, thing = self.group(group_name), self.thing(thing_name)
        if group_name in thing.groups:
            return
        if len(thing.groups) >= GROUPS_PER_THING:
            invalid(f"a thing may be in {GROUPS_PER_THING} groups")
        thing.groups.append(group_name)
        group.things[thing_name] = None

    def join_billing_group(self, thing_name: str, group_name: str) -> None:
        """Put a thing into a billing group; a thing is in one at most, so the last call decides."""
        self.billing_group(group_name)
        self.thing(thing_name).billing_group = group_name


def _found(records: Mapping[str, T], kind: str, name: str) -> T:
    record = records.get(name)
    if record is None:
        raise not_found(kind, name)
    return record


def _check_version(thing: Thing, expected: int | None) -> None:
    if expected is not None and expected != thing.version:
        message = f"thing {thing.name} has version {thing.version}, not {expected}"
        raise AwsError("VersionConflictException", message)


def _check_same(kind: str, name: str, arn: str, same: bool) -> None:
    if not same:
        message = f"{kind} {name} exists with another configuration"
        raise AwsError("ResourceAlreadyExistsException", message, resourceId=name, resourceArn=arn)
