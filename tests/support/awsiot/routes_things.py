"""Routes of things, thing types, thing groups and billing groups."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from tests.support.awsiot.limits import PAGE, invalid
from tests.support.awsiot.pages import page
from tests.support.awsiot.wire import Route

if TYPE_CHECKING:
    from tests.support.awsiot.account import Account
    from tests.support.awsiot.records import Thing
    from tests.support.awsiot.wire import Answer, Request

__all__ = ["ROUTES", "with_token"]


def with_token(answer: Answer, token: str | None, name: str = "nextToken") -> Answer:
    """Return an answer with the token of the next page, if there is one."""
    return answer if token is None else {**answer, name: token}


def _without_none(answer: Answer) -> Answer:
    return {name: value for name, value in answer.items() if value is not None}


def _create_thing(account: Account, request: Request) -> Answer:
    thing = account.registry.create_thing(
        request.text("thingName"),
        request.optional("thingTypeName"),
        request.mapping("attributePayload").get("attributes", {}),
        request.optional("billingGroupName"),
    )
    return {"thingName": thing.name, "thingArn": thing.arn, "thingId": thing.thing_id}


def _describe_thing(account: Account, request: Request) -> Answer:
    thing = account.registry.thing(request.text("thingName"))
    answer = {
        "defaultClientId": thing.name,
        "thingId": thing.thing_id,
        "billingGroupName": thing.billing_group,
        **_thing_attribute(thing),
    }
    return _without_none(answer)


def _thing_attribute(thing: Thing) -> Answer:
    answer = {
        "thingName": thing.name,
        "thingTypeName": thing.thing_type,
        "thingArn": thing.arn,
        "attributes": thing.attributes,
        "version": thing.version,
    }
    return _without_none(answer)


def _update_thing(account: Account, request: Request) -> Answer:
    payload = request.mapping("attributePayload")
    account.registry.update_thing(
        request.text("thingName"),
        thing_type=request.optional("thingTypeName"),
        remove_type=request.flag("removeThingType"),
        attributes=payload.get("attributes"),
        merge=bool(payload.get("merge")),
        expected_version=request.number("expectedVersion"),
    )
    return {}


def _delete_thing(account: Account, request: Request) -> Answer:
    account.registry.delete_thing(request.text("thingName"), request.number("expectedVersion"))
    return {}


def _list_things(account: Account, request: Request) -> Answer:
    name, value = request.optional("attributeName"), request.optional("attributeValue")
    kind, prefix = request.optional("thingTypeName"), request.flag("usePrefixAttributeValue")

    def wanted(thing: Thing) -> bool:
        if kind is not None and thing.thing_type != kind:
            return False
        if name is None:
            return True
        held = thing.attributes.get(name)
        if held is None or value is None:
            return held is not None
        return held.startswith(value) if prefix else held == value

    every = sorted(account.registry.things.values(), key=attrgetter("name"))
    things, token = page(filter(wanted, every), attrgetter("name"), *_place(request))
    return with_token({"things": [_thing_attribute(thing) for thing in things]}, token)


def _create_thing_type(account: Account, request: Request) -> Answer:
    properties = request.mapping("thingTypeProperties")
    kind = account.registry.create_type(request.text("thingTypeName"), properties)
    return {"thingTypeName": kind.name, "thingTypeArn": kind.arn, "thingTypeId": kind.type_id}


def _describe_thing_type(account: Account, request: Request) -> Answer:
    kind = account.registry.thing_type(request.text("thingTypeName"))
    return {
        "thingTypeName": kind.name,
        "thingTypeArn": kind.arn,
        "thingTypeId": kind.type_id,
        "thingTypeProperties": kind.properties,
        "thingTypeMetadata": {"deprecated": False, "creationDate": kind.created},
    }


def _create_thing_group(account: Account, request: Request) -> Answer:
    group = account.registry.create_group(
        request.text("thingGroupName"),
        request.optional("parentGroupName"),
        request.mapping("thingGroupProperties"),
    )
    return {"thingGroupName": group.name, "thingGroupArn": group.arn, "thingGroupId": group.group_id}


def _describe_thing_group(account: Account, request: Request) -> Answer:
    group = account.registry.group(request.text("thingGroupName"))
    metadata = _without_none({"creationDate": group.created, "parentGroupName": group.parent})
    return {
        "thingGroupName": group.name,
        "thingGroupArn": group.arn,
        "thingGroupId": group.group_id,
        "version": 1,
        "thingGroupProperties": group.properties,
        "thingGroupMetadata": metadata,
    }


def _delete_thing_group(account: Account, request: Request) -> Answer:
    account.delete_group(request.text("thingGroupName"))
    return {}


def _create_billing_group(account: Account, request: Request) -> Answer:
    properties = request.mapping("billingGroupProperties")
    group = account.registry.create_billing_group(request.text("billingGroupName"), properties)
    return {"billingGroupName": group.name, "billingGroupArn": group.arn, "billingGroupId": group.group_id}


def _describe_billing_group(account: Account, request: Request) -> Answer:
    group = account.registry.billing_group(request.text("billingGroupName"))
    return {
        "billingGroupName": group.name,
        "billingGroupArn": group.arn,
        "billingGroupId": group.group_id,
        "version": 1,
        "billingGroupProperties": group.properties,
        "billingGroupMetadata": {"creationDate": group.created},
    }


def _delete_billing_group(account: Account, request: Request) -> Answer:
    account.registry.delete_billing_group(request.text("billingGroupName"))
    return {}


def _list_things_in_billing_group(account: Account, request: Request) -> Answer:
    group = account.registry.billing_group(request.text("billingGroupName"))
    things, token = page(account.registry.things_billed(group.name), str, *_place(request))
    return with_token({"things": things}, token)


def _named(request: Request, kind: str) -> str:
    """Return a resource's name, which may be given as ``kindName`` or within ``kindArn``."""
    name, arn = request.optional(f"{kind}Name"), request.optional(f"{kind}Arn")
    if name is None and arn is None:
        invalid(f"{kind}Name or {kind}Arn is required")
    return name if name is not None else str(arn).partition("/")[2]


def _add_to_thing_group(account: Account, request: Request) -> Answer:
    account.registry.join_group(_named(request, "thing"), _named(request, "thingGroup"))
    return {}


def _add_to_billing_group(account: Account, request: Request) -> Answer:
    account.registry.join_billing_group(_named(request, "thing"), _named(request, "billingGroup"))
    return {}


def _list_groups_for_thing(account: Account, request: Request) -> Answer:
    every = sorted(account.registry.thing(request.text("thingName")).groups)
    names, token = page(every, str, *_place(request))
    arn_of = account.arns.of
    return with_token(
        {"thingGroups": [{"groupName": name, "groupArn": arn_of("thinggroup", name)} for name in names]}, token
    )


def _list_things_in_group(account: Account, request: Request) -> Answer:
    every = sorted(account.registry.group(request.text("thingGroupName")).things)
    things, token = page(every, str, *_place(request))
    return with_token({"things": things}, token)


def _place(request: Request) -> tuple[str | None, int]:
    size = request.number("maxResults")
    return request.optional("nextToken"), PAGE if size is None else size


ROUTES = (
    Route("CreateThing", "POST", "/things/{thingName}", _create_thing, mutating=True),
    Route("DescribeThing", "GET", "/things/{thingName}", _describe_thing),
    Route("UpdateThing", "PATCH", "/things/{thingName}", _update_thing, mutating=True),
    Route("DeleteThing", "DELETE", "/things/{thingName}", _delete_thing, mutating=True),
    Route("ListThings", "GET", "/things", _list_things),
    Route("CreateThingType", "POST", "/thing-types/{thingTypeName}", _create_thing_type, mutating=True),
    Route("DescribeThingType", "GET", "/thing-types/{thingTypeName}", _describe_thing_type),
    Route("CreateThingGroup", "POST", "/thing-groups/{thingGroupName}", _create_thing_group, mutating=True),
    Route("DescribeThingGroup", "GET", "/thing-groups/{thingGroupName}", _describe_thing_group),
    Route("DeleteThingGroup", "DELETE", "/thing-groups/{thingGroupName}", _delete_thing_group, mutating=True),
    Route(
        "CreateBillingGroup", "POST", "/billing-groups/{billingGroupName}", _create_billing_group, mutating=True
    ),
    Route("DescribeBillingGroup", "GET", "/billing-groups/{billingGroupName}", _describe_billing_group),
    Route(
        "DeleteBillingGroup", "DELETE", "/billing-groups/{billingGroupName}", _delete_billing_group, mutating=True
    ),
    Route("AddThingToThingGroup", "PUT", "/thing-groups/addThingToThingGroup", _add_to_thing_group, mutating=True),
    Route(
        "AddThingToBillingGroup",
        "PUT",
        "/billing-groups/addThingToBillingGroup",
        _add_to_billing_group,
        mutating=True,
    ),
    Route("ListThingGroupsForThing", "GET", "/things/{thingName}/thing-groups", _list_groups_for_thing),
    Route(
        "ListThingsInBillingGroup",
        "GET",
        "/billing-groups/{billingGroupName}/things",
        _list_things_in_billing_group,
    ),
    Route("ListThingsInThingGroup", "GET", "/thing-groups/{thingGroupName}/things", _list_things_in_group),
)
