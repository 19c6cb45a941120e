"""The calls about the account: who we are, where devices connect, policies, thing types and groups."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from pipeline.aws import answers
from pipeline.aws.calls import Calls
from pipeline.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AccountCalls", "Identity"]

_PAGE = 250
"""The most things that a page of a group's may have."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the credentials belong to.

    Attributes:
        account: The account's number.
        arn: The user or role.
        clock: AWS's time, seconds of the epoch, when this machine's monotonic clock was at 0. Unlike a
            difference of wall clocks it still holds after the local one was set.
    """

    account: str
    arn: str
    clock: float


class AccountCalls(Calls):
    """Each method is one operation; the names are the API's."""

    async def get_caller_identity(self) -> Identity:
        """Return who we are."""
        answer = await self._call("GetCallerIdentity", self._clients.sts.get_caller_identity)
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = parsedate_to_datetime(date).timestamp() if date else time.time()
        account, arn = (answers.required("GetCallerIdentity", answer, key) for key in ("Account", "Arn"))
        return Identity(printable(str(account)), printable(str(arn)), clock=now - time.monotonic())

    async def describe_endpoint(self) -> str:
        """Return the host name that devices connect to, with certificates of Amazon's own roots (Data-ATS)."""
        answer = await self._call(
            "DescribeEndpoint", lambda: self._iot.describe_endpoint(endpointType="iot:Data-ATS")
        )
        return str(answers.required("DescribeEndpoint", answer, "endpointAddress"))

    async def get_policy(self, name: str) -> str | None:
        """Return a policy's default document as JSON text, or None where there is no such policy."""
        answer = await self._found("GetPolicy", lambda: self._iot.get_policy(policyName=name))
        return None if answer is None else answer["policyDocument"]

    async def create_policy(self, name: str, document: str) -> None:
        """Make a policy."""
        await self._call(
            "CreatePolicy", lambda: self._iot.create_policy(policyName=name, policyDocument=document), policy=name
        )

    async def delete_policy(self, name: str) -> None:
        """Delete a policy that is attached to nothing; one that is gone already is no failure."""
        await self._found("DeletePolicy", lambda: self._iot.delete_policy(policyName=name), policy=name)

    async def has_thing_type(self, name: str) -> bool:
        """Return whether a thing type exists and may be used (a deprecated one may not)."""
        answer = await self._found("DescribeThingType", lambda: self._iot.describe_thing_type(thingTypeName=name))
        return answer is not None and not answer.get("thingTypeMetadata", {}).get("deprecated", False)

    async def create_thing_type(self, name: str) -> None:
        """Make a thing type; the same one again succeeds."""
        await self._call("CreateThingType", lambda: self._iot.create_thing_type(thingTypeName=name), type=name)

    async def has_thing_group(self, name: str) -> bool:
        """Return whether a thing group exists."""
        describe = self._iot.describe_thing_group
        return await self._found("DescribeThingGroup", lambda: describe(thingGroupName=name)) is not None

    async def create_thing_group(self, name: str) -> None:
        """Make a static thing group; the same one again succeeds."""
        await self._call("CreateThingGroup", lambda: self._iot.create_thing_group(thingGroupName=name), group=name)

    async def list_things_in_thing_group(self, group: str, token: str | None) -> tuple[list[str], str | None]:
        """Return a page of a group's things and the token of the next one; a group that is gone has none."""
        ask, more = self._iot.list_things_in_thing_group, _page(token)
        answer = await self._found("ListThingsInThingGroup", lambda: ask(thingGroupName=group, **more))
        return ([], None) if answer is None else _things("ListThingsInThingGroup", answer)

    async def delete_thing_group(self, name: str) -> None:
        """Delete a static thing group; one that is gone already is no failure."""
        delete = self._iot.delete_thing_group
        await self._found("DeleteThingGroup", lambda: delete(thingGroupName=name), group=name)

    async def has_billing_group(self, name: str) -> bool:
        """Return whether a billing group exists."""
        describe = self._iot.describe_billing_group
        return await self._found("DescribeBillingGroup", lambda: describe(billingGroupName=name)) is not None

    async def create_billing_group(self, name: str) -> None:
        """Make a billing group; the same one again succeeds."""
        await self._call(
            "CreateBillingGroup", lambda: self._iot.create_billing_group(billingGroupName=name), group=name
        )

    async def list_things_in_billing_group(self, group: str, token: str | None) -> tuple[list[str], str | None]:
        """Return a page of a group's things and the token of the next one; a group that is gone has none."""
        ask, more = self._iot.list_things_in_billing_group, _page(token)
        answer = await self._found("ListThingsInBillingGroup", lambda: ask(billingGroupName=group, **more))
        return ([], None) if answer is None else _things("ListThingsInBillingGroup", answer)

    async def delete_billing_group(self, name: str) -> None:
        """Delete a billing group; one that is gone already is no failure."""
        delete = self._iot.delete_billing_group
        await self._found("DeleteBillingGroup", lambda: delete(billingGroupName=name), group=name)


def _page(token: str | None) -> dict[str, Any]:
    return {"maxResults": _PAGE} | ({"nextToken": token} if token else {})


def _things(api: str, answer: Mapping[str, Any]) -> tuple[list[str], str | None]:
    return answers.texts(api, answer, "things"), answers.text(answer.get("nextToken")) or None
