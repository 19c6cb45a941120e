"""The double's policies, endpoints and neighbours (STS, Service Quotas), asked through real clients."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.support.awsiot import Fail
from tests.support.clients import error_code, quotas_client, sts_client
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from types_aiobotocore_iot.client import IoTClient

    from tests.support.awsiot import AwsIotDouble

pytestmark = pytest.mark.anyio

_DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": []})


async def _certificate(iot: IoTClient) -> tuple[str, str]:
    issued = await iot.create_certificate_from_csr(certificateSigningRequest=make_csr("one").pem)
    return issued["certificateId"], issued["certificateArn"]


async def test_a_policy_is_read_as_it_was_created(iot: IoTClient) -> None:
    """GetPolicy returns the document, and a second policy of the name conflicts."""
    created = await iot.create_policy(policyName="p+=,.@-", policyDocument=_DOCUMENT)
    policy = await iot.get_policy(policyName="p+=,.@-")
    assert (policy["policyArn"], policy["policyDocument"]) == (created["policyArn"], _DOCUMENT)
    with pytest.raises(ClientError) as caught:
        await iot.create_policy(policyName="p+=,.@-", policyDocument=_DOCUMENT)
    assert error_code(caught.value) == "409 ResourceAlreadyExistsException"


@pytest.mark.parametrize(
    "document", ["[]", "{", json.dumps({"Version": "", "Statement": "x" * 2048})], ids=["list", "cut", "long"]
)
async def test_a_malformed_policy_is_refused(iot: IoTClient, document: str) -> None:
    """A document that is no policy, or has more than 2,048 characters, is malformed."""
    with pytest.raises(ClientError) as caught:
        await iot.create_policy(policyName="device", policyDocument=document)
    assert error_code(caught.value) == "400 MalformedPolicyException"


async def test_policy_and_target_are_linked_both_ways(iot: IoTClient) -> None:
    """AttachPolicy may be repeated, and both listings show the link until it is detached."""
    await iot.create_policy(policyName="device", policyDocument=_DOCUMENT)
    _, arn = await _certificate(iot)
    group = (await iot.create_thing_group(thingGroupName="line-7"))["thingGroupArn"]
    for target in (arn, arn, group):
        await iot.attach_policy(policyName="device", target=target)
    attached = await iot.list_attached_policies(target=arn)
    assert [policy["policyName"] for policy in attached["policies"]] == ["device"]
    targets = await iot.list_targets_for_policy(policyName="device")
    assert sorted(targets["targets"]) == sorted([arn, group])
    await iot.detach_policy(policyName="device", target=arn)
    assert (await iot.list_attached_policies(target=arn))["policies"] == []


async def test_a_target_has_ten_policies_at_most(iot: IoTClient) -> None:
    """The eleventh policy of a certificate is LimitExceededException, though attached ones may be repeated."""
    _, arn = await _certificate(iot)
    for number in range(11):
        await iot.create_policy(policyName=f"p{number}", policyDocument=_DOCUMENT)
    for number in range(10):
        await iot.attach_policy(policyName=f"p{number}", target=arn)
    await iot.attach_policy(policyName="p3", target=arn)
    with pytest.raises(ClientError) as caught:
        await iot.attach_policy(policyName="p10", target=arn)
    assert error_code(caught.value) == "410 LimitExceededException"


async def test_a_policy_that_is_not_there_is_not_found(iot: IoTClient) -> None:
    """GetPolicy and AttachPolicy of a policy that nobody made are ResourceNotFoundException."""
    _, arn = await _certificate(iot)
    with pytest.raises(ClientError) as caught:
        await iot.get_policy(policyName="device")
    assert error_code(caught.value) == "404 ResourceNotFoundException"
    with pytest.raises(ClientError) as caught:
        await iot.attach_policy(policyName="device", target=arn)
    assert error_code(caught.value) == "404 ResourceNotFoundException"


async def test_a_certificate_with_a_policy_is_deleted_by_force_only(iot: IoTClient) -> None:
    """DeleteCertificate conflicts while a policy is attached; forceDelete overlooks it."""
    await iot.create_policy(policyName="device", policyDocument=_DOCUMENT)
    certificate_id, arn = await _certificate(iot)
    await iot.attach_policy(policyName="device", target=arn)
    with pytest.raises(ClientError) as caught:
        await iot.delete_certificate(certificateId=certificate_id)
    assert error_code(caught.value) == "409 DeleteConflictException"
    await iot.delete_certificate(certificateId=certificate_id, forceDelete=True)
    assert (await iot.list_targets_for_policy(policyName="device"))["targets"] == []


async def test_endpoints_are_stable_and_by_type(iot: IoTClient) -> None:
    """DescribeEndpoint answers the same each time, another for each type, and refuses an unknown one."""
    data = [(await iot.describe_endpoint(endpointType="iot:Data-ATS"))["endpointAddress"] for _ in range(2)]
    jobs = (await iot.describe_endpoint(endpointType="iot:Jobs"))["endpointAddress"]
    assert data[0] == data[1] != jobs
    with pytest.raises(ClientError) as caught:
        await iot.describe_endpoint(endpointType="iot:Nothing")
    assert error_code(caught.value) == "400 InvalidRequestException"


async def test_every_answer_has_a_date_and_a_request_id(iot: IoTClient, double: AwsIotDouble) -> None:
    """Answers and errors alike carry Date and the request id of the journal."""
    answer = await iot.describe_endpoint()
    with pytest.raises(ClientError) as caught:
        await iot.describe_thing(thingName="one")
    metadata = [answer["ResponseMetadata"], caught.value.response["ResponseMetadata"]]
    assert [told["RequestId"] for told in metadata] == [call.request_id for call in double.journal.calls]
    assert all(parsedate_to_datetime(told["HTTPHeaders"]["date"]) for told in metadata)


async def test_the_caller_is_known(double: AwsIotDouble) -> None:
    """GetCallerIdentity answers, and fails, in STS's own protocol."""
    async with sts_client(double.url) as sts:
        caller = await sts.get_caller_identity()
        double.faults.script("GetCallerIdentity", Fail("ExpiredTokenException"))
        with pytest.raises(ClientError) as caught:
            await sts.get_caller_identity()
    assert (caller["Account"], caller["Arn"]) == ("123456789012", "arn:aws:iam::123456789012:user/line-7")
    assert error_code(caught.value) == "403 ExpiredTokenException"


async def test_quotas_are_listed_page_by_page(double: AwsIotDouble) -> None:
    """ListServiceQuotas and ListAWSDefaultServiceQuotas show the values that a test gave."""
    double.account.quotas = {f"Operation{number} API TPS": float(number) for number in range(3)}
    double.account.default_quotas = {"CreateThing API TPS": 100.0}
    async with quotas_client(double.url) as quotas:
        first = await quotas.list_service_quotas(ServiceCode="iotcore", MaxResults=2)
        rest = await quotas.list_service_quotas(ServiceCode="iotcore", NextToken=first["NextToken"])
        default = await quotas.list_aws_default_service_quotas(ServiceCode="iotcore")
    shown = {quota["QuotaName"]: quota["Value"] for quota in first["Quotas"] + rest["Quotas"]}
    assert shown == double.account.quotas
    assert "NextToken" not in rest
    assert (default["Quotas"][0]["Value"], default["Quotas"][0]["Adjustable"]) == (100.0, True)


async def test_quotas_of_another_service_are_refused(double: AwsIotDouble) -> None:
    """Service Quotas answers errors in its own protocol."""
    async with quotas_client(double.url) as quotas:
        with pytest.raises(ClientError) as caught:
            await quotas.list_service_quotas(ServiceCode="nothing")
    assert error_code(caught.value) == "400 NoSuchResourceException"


async def test_an_operation_that_the_double_lacks_is_told(iot: IoTClient, double: AwsIotDouble) -> None:
    """A call that the double does not know fails, and the journal says so."""
    with pytest.raises(ClientError) as caught:
        await iot.list_jobs()
    assert error_code(caught.value) == "404 UnknownOperationException"
    assert double.journal.count("UnknownOperation") == 1


async def test_a_policy_that_is_attached_cannot_be_deleted(iot: IoTClient) -> None:
    """DeletePolicy conflicts while a target has the policy, and fails for one that is not there."""
    _, arn = await _certificate(iot)
    await iot.create_policy(policyName="p", policyDocument=_DOCUMENT)
    await iot.attach_policy(policyName="p", target=arn)
    with pytest.raises(ClientError) as caught:
        await iot.delete_policy(policyName="p")
    assert error_code(caught.value) == "409 DeleteConflictException"
    await iot.detach_policy(policyName="p", target=arn)
    await iot.delete_policy(policyName="p")
    with pytest.raises(ClientError) as caught:
        await iot.delete_policy(policyName="p")
    assert error_code(caught.value) == "404 ResourceNotFoundException"
