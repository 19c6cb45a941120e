"""The double's things, types and groups, asked through a real client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.support.clients import error_code

if TYPE_CHECKING:
    from types_aiobotocore_iot.client import IoTClient

    from tests.support.awsiot import AwsIotDouble

pytestmark = pytest.mark.anyio


async def test_a_thing_is_described_as_it_was_created(iot: IoTClient) -> None:
    """DescribeThing returns type, attributes, billing group and version of what CreateThing made."""
    await iot.create_thing_type(thingTypeName="meter")
    await iot.create_billing_group(billingGroupName="line")
    created = await iot.create_thing(
        thingName="a:b-1",
        thingTypeName="meter",
        attributePayload={"attributes": {"lot": "7"}},
        billingGroupName="line",
    )
    thing = await iot.describe_thing(thingName="a:b-1")
    assert created["thingArn"] == "arn:aws:iot:eu-west-1:123456789012:thing/a:b-1"
    assert (thing["thingArn"], thing["thingId"]) == (created["thingArn"], created["thingId"])
    assert (thing["thingTypeName"], thing["attributes"], thing["billingGroupName"], thing["version"]) == (
        "meter",
        {"lot": "7"},
        "line",
        1,
    )
    assert thing["defaultClientId"] == "a:b-1"


async def test_creating_a_thing_is_idempotent(iot: IoTClient) -> None:
    """The same name and configuration again succeed and give the same thing."""
    first = await iot.create_thing(thingName="one", attributePayload={"attributes": {"lot": "7"}})
    again = await iot.create_thing(thingName="one", attributePayload={"attributes": {"lot": "7"}})
    assert again["thingId"] == first["thingId"]


async def test_creating_a_thing_otherwise_conflicts(iot: IoTClient) -> None:
    """The same name with another configuration is refused, naming the thing that is there."""
    first = await iot.create_thing(thingName="one")
    with pytest.raises(ClientError) as caught:
        await iot.create_thing(thingName="one", attributePayload={"attributes": {"lot": "7"}})
    assert error_code(caught.value) == "409 ResourceAlreadyExistsException"
    assert caught.value.response.get("resourceArn") == first["thingArn"]


async def test_a_thing_without_a_type_has_three_attributes_at_most(iot: IoTClient) -> None:
    """A fourth attribute needs a thing type."""
    with pytest.raises(ClientError) as caught:
        await iot.create_thing(thingName="one", attributePayload={"attributes": dict.fromkeys("abcd", "1")})
    assert error_code(caught.value) == "400 InvalidRequestException"


async def test_a_thing_needs_a_type_that_exists(iot: IoTClient) -> None:
    """A thing type that nobody created is not found, and no thing is made."""
    with pytest.raises(ClientError) as caught:
        await iot.create_thing(thingName="one", thingTypeName="meter")
    assert error_code(caught.value) == "404 ResourceNotFoundException"
    with pytest.raises(ClientError) as caught:
        await iot.describe_thing(thingName="one")
    assert error_code(caught.value) == "404 ResourceNotFoundException"


async def test_updating_merges_or_replaces_attributes(iot: IoTClient) -> None:
    """UpdateThing merges when asked, removes what is set empty, and counts versions."""
    await iot.create_thing(thingName="one", attributePayload={"attributes": {"lot": "7", "line": "2"}})
    await iot.update_thing(thingName="one", attributePayload={"attributes": {"lot": "", "hw": "c"}, "merge": True})
    thing = await iot.describe_thing(thingName="one")
    assert (thing["attributes"], thing["version"]) == ({"line": "2", "hw": "c"}, 2)
    await iot.update_thing(thingName="one", attributePayload={"attributes": {"lot": "8"}})
    assert (await iot.describe_thing(thingName="one"))["attributes"] == {"lot": "8"}


async def test_an_update_of_an_old_version_conflicts(iot: IoTClient) -> None:
    """UpdateThing and DeleteThing refuse a version that is not the current one."""
    await iot.create_thing(thingName="one")
    with pytest.raises(ClientError) as caught:
        await iot.update_thing(thingName="one", expectedVersion=4)
    assert error_code(caught.value) == "409 VersionConflictException"
    with pytest.raises(ClientError) as caught:
        await iot.delete_thing(thingName="one", expectedVersion=4)
    assert error_code(caught.value) == "409 VersionConflictException"


async def test_deleting_a_thing_twice_succeeds(iot: IoTClient, double: AwsIotDouble) -> None:
    """DeleteThing of a thing that is gone says nothing, and the thing has left its groups."""
    await iot.create_thing(thingName="one")
    await iot.create_thing_group(thingGroupName="line-7")
    await iot.add_thing_to_thing_group(thingName="one", thingGroupName="line-7")
    await iot.delete_thing(thingName="one")
    await iot.delete_thing(thingName="one")
    assert not double.account.registry.things
    assert (await iot.list_things_in_thing_group(thingGroupName="line-7"))["things"] == []


async def test_things_are_listed_page_by_page(iot: IoTClient) -> None:
    """ListThings shows each thing once, across pages, and filters by attribute."""
    for number in range(5):
        attributes = {"odd": str(number % 2)}
        await iot.create_thing(thingName=f"t{number}", attributePayload={"attributes": attributes})
    first = await iot.list_things(maxResults=3)
    rest = await iot.list_things(maxResults=3, nextToken=first["nextToken"])
    names = [thing["thingName"] for thing in first["things"] + rest["things"]]
    assert names == ["t0", "t1", "t2", "t3", "t4"]
    assert "nextToken" not in rest
    odd = await iot.list_things(attributeName="odd", attributeValue="1")
    assert [thing["thingName"] for thing in odd["things"]] == ["t1", "t3"]


async def test_types_and_groups_are_described_as_created(iot: IoTClient) -> None:
    """DescribeThingType, DescribeThingGroup and DescribeBillingGroup return properties and ARNs."""
    kind = await iot.create_thing_type(
        thingTypeName="meter", thingTypeProperties={"thingTypeDescription": "meters"}
    )
    told = await iot.describe_thing_type(thingTypeName="meter")
    assert (told["thingTypeArn"], told["thingTypeProperties"]["thingTypeDescription"]) == (
        kind["thingTypeArn"],
        "meters",
    )
    assert told["thingTypeMetadata"]["deprecated"] is False
    await iot.create_thing_group(thingGroupName="plant")
    group = await iot.create_thing_group(thingGroupName="line-7", parentGroupName="plant")
    shown = await iot.describe_thing_group(thingGroupName="line-7")
    assert (shown["thingGroupId"], shown["thingGroupMetadata"]["parentGroupName"]) == (
        group["thingGroupId"],
        "plant",
    )
    billing = await iot.create_billing_group(billingGroupName="cost")
    assert (await iot.describe_billing_group(billingGroupName="cost"))["billingGroupArn"] == billing[
        "billingGroupArn"
    ]


async def test_creating_a_group_is_idempotent_as_a_thing_is(iot: IoTClient) -> None:
    """A type or group again is fine with the same configuration and conflicts with another."""
    await iot.create_thing_group(thingGroupName="plant")
    await iot.create_thing_group(thingGroupName="line-7")
    await iot.create_thing_group(thingGroupName="line-7")
    with pytest.raises(ClientError) as caught:
        await iot.create_thing_group(thingGroupName="line-7", parentGroupName="plant")
    assert error_code(caught.value) == "409 ResourceAlreadyExistsException"


async def test_a_thing_joins_groups_once(iot: IoTClient) -> None:
    """AddThingToThingGroup may be repeated, and both listings agree."""
    await iot.create_thing(thingName="one")
    await iot.create_thing_group(thingGroupName="line-7")
    await iot.add_thing_to_thing_group(thingName="one", thingGroupName="line-7")
    await iot.add_thing_to_thing_group(thingName="one", thingGroupName="line-7")
    groups = await iot.list_thing_groups_for_thing(thingName="one")
    assert [group["groupName"] for group in groups["thingGroups"]] == ["line-7"]
    assert (await iot.list_things_in_thing_group(thingGroupName="line-7"))["things"] == ["one"]


async def test_a_thing_joins_a_billing_group(iot: IoTClient) -> None:
    """AddThingToBillingGroup sets the one billing group of a thing, by name or by ARN."""
    thing = await iot.create_thing(thingName="one")
    cost = await iot.create_billing_group(billingGroupName="cost")
    await iot.add_thing_to_billing_group(thingArn=thing["thingArn"], billingGroupArn=cost["billingGroupArn"])
    assert (await iot.describe_thing(thingName="one"))["billingGroupName"] == "cost"


async def test_a_group_that_is_not_there_is_not_found(iot: IoTClient) -> None:
    """Joining a group that nobody made is ResourceNotFoundException."""
    await iot.create_thing(thingName="one")
    with pytest.raises(ClientError) as caught:
        await iot.add_thing_to_thing_group(thingName="one", thingGroupName="line-7")
    assert error_code(caught.value) == "404 ResourceNotFoundException"


async def test_a_deleted_group_leaves_its_things(iot: IoTClient) -> None:
    """DeleteThingGroup and DeleteBillingGroup take the links with them, and succeed once more."""
    await iot.create_thing_group(thingGroupName="hall")
    await iot.create_billing_group(billingGroupName="line")
    await iot.create_thing(thingName="one", billingGroupName="line")
    await iot.add_thing_to_thing_group(thingName="one", thingGroupName="hall")
    assert (await iot.list_things_in_billing_group(billingGroupName="line"))["things"] == ["one"]
    for _ in range(2):
        await iot.delete_thing_group(thingGroupName="hall")
        await iot.delete_billing_group(billingGroupName="line")
    assert "billingGroupName" not in await iot.describe_thing(thingName="one")
    assert (await iot.list_thing_groups_for_thing(thingName="one"))["thingGroups"] == []
    with pytest.raises(ClientError) as caught:
        await iot.list_things_in_billing_group(billingGroupName="line")
    assert error_code(caught.value) == "404 ResourceNotFoundException"


async def test_a_group_with_a_child_cannot_be_deleted(iot: IoTClient) -> None:
    """DeleteThingGroup is refused while another group names it as its parent."""
    await iot.create_thing_group(thingGroupName="hall")
    await iot.create_thing_group(thingGroupName="corner", parentGroupName="hall")
    with pytest.raises(ClientError) as caught:
        await iot.delete_thing_group(thingGroupName="hall")
    assert error_code(caught.value) == "400 InvalidRequestException"
