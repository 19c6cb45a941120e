"""Each kind of failure, as a real client meets it and as the account is left."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError, HTTPClientError, ReadTimeoutError

from tests.support.awsiot import AwsIotDouble, Drop, Fail, Hang, LateCommit, Slow
from tests.support.clients import error_code, iot_client
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from types_aiobotocore_iot.client import IoTClient

    from tests.support.awsiot import Fault

pytestmark = pytest.mark.anyio

_ISSUE = "CreateCertificateFromCsr"


async def _issue(iot: IoTClient, name: str = "one") -> str:
    answer = await iot.create_certificate_from_csr(certificateSigningRequest=make_csr(name).pem)
    return answer["certificateId"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 400),
        ("InternalFailureException", 500),
        ("ServiceUnavailableException", 503),
        ("UnauthorizedException", 401),
        ("AccessDeniedException", 403),
        ("LimitExceededException", 410),
    ],
)
async def test_a_call_fails_before_its_effect(
    iot: IoTClient, double: AwsIotDouble, code: str, status: int
) -> None:
    """A scripted error has its own status, leaves no certificate behind, and strikes once."""
    double.faults.script(_ISSUE, Fail(code))
    with pytest.raises(ClientError) as caught:
        await _issue(iot)
    assert error_code(caught.value) == f"{status} {code}"
    assert not double.account.store.certificates
    await _issue(iot)
    assert [(call.outcome, call.committed) for call in double.journal.calls] == [(code, False), ("ok", True)]


async def test_a_call_fails_after_its_effect(iot: IoTClient, double: AwsIotDouble) -> None:
    """A 500 can hide a certificate that was issued all the same."""
    double.faults.script(_ISSUE, Fail("InternalFailureException", after=True))
    with pytest.raises(ClientError) as caught:
        await _issue(iot)
    assert error_code(caught.value) == "500 InternalFailureException"
    assert len(double.account.store.certificates) == 1
    assert double.journal.calls[0].committed


@pytest.mark.parametrize(("fault", "issued"), [(Drop(), 0), (Drop(after=True), 1)])
async def test_a_connection_drops(iot: IoTClient, double: AwsIotDouble, fault: Fault, issued: int) -> None:
    """The client gets no answer, whether or not a certificate was issued, and the next call is fine."""
    double.faults.script(_ISSUE, fault)
    with pytest.raises(HTTPClientError):
        await _issue(iot)
    assert len(double.account.store.certificates) == issued
    assert double.journal.calls[0].outcome == "dropped"
    await _issue(iot)


async def test_a_dropped_call_stays_dropped_when_the_http_client_resends_it(
    iot: IoTClient, double: AwsIotDouble
) -> None:
    """Aiohttp repeats a GET, PUT or DELETE by itself; the caller meets the failure all the same."""
    await iot.create_thing(thingName="one")
    double.faults.script("DescribeThing", Drop())
    with pytest.raises(HTTPClientError):
        await iot.describe_thing(thingName="one")
    sent = double.journal.find("DescribeThing")
    assert [(call.outcome, call.resend) for call in sent] == [("dropped", False), ("dropped", True)]
    assert (await iot.describe_thing(thingName="one"))["version"] == 1


@pytest.mark.parametrize(("fault", "issued"), [(Hang(), 0), (Hang(after=True), 1), (LateCommit(), 1)])
async def test_a_call_hangs_past_the_clients_time_out(
    iot: IoTClient, double: AwsIotDouble, fault: Fault, issued: int
) -> None:
    """The client times out; the effect never comes, came before, or comes when the client has gone."""
    double.faults.script(_ISSUE, fault)
    async with iot_client(double.url, read_timeout=0.2) as hasty:
        with pytest.raises(ReadTimeoutError):
            await _issue(hasty)
    await double.idle()
    assert len(double.account.store.certificates) == issued
    assert double.journal.calls[0].outcome == "hung"
    await _issue(iot)


async def test_a_late_commit_is_not_there_while_the_client_waits(double: AwsIotDouble) -> None:
    """Nothing is issued until the client has gone, so a look right after the time-out may find nothing."""
    double.faults.script(_ISSUE, LateCommit())
    async with iot_client(double.url) as iot:
        call = asyncio.create_task(_issue(iot))
        await double.until(lambda: double.journal.count(_ISSUE) == 1)
        assert not double.account.store.certificates
        call.cancel()
        await double.until(lambda: bool(double.account.store.certificates))


async def test_a_slow_answer_comes_after_its_effect(iot: IoTClient, double: AwsIotDouble) -> None:
    """While the client still waits, the certificate is there."""
    double.faults.script(_ISSUE, Slow(0.2))
    call = asyncio.create_task(_issue(iot))
    await double.until(lambda: bool(double.account.store.certificates))
    assert not call.done()
    assert await call in double.account.store.certificates


async def test_a_hang_ends_with_the_double() -> None:
    """A double can be stopped while a client still waits."""
    async with AsyncExitStack() as clients:
        async with AwsIotDouble() as double:
            iot = await clients.enter_async_context(iot_client(double.url))
            double.faults.script(_ISSUE, Hang())
            call = asyncio.create_task(_issue(iot))
            await double.until(lambda: double.journal.count(_ISSUE) == 1)
        with pytest.raises(HTTPClientError):
            await call


async def test_a_script_counts_calls_of_its_subject(iot: IoTClient, double: AwsIotDouble) -> None:
    """A fault for the second and third call of one device leaves all others alone."""
    double.faults.script(_ISSUE, Fail("ThrottlingException"), nth=2, times=2, subject="two")
    for name in ("one", "two", "one", "one"):
        await _issue(iot, name)
    for _ in range(2):
        with pytest.raises(ClientError):
            await _issue(iot, "two")
    await _issue(iot, "two")
    assert double.journal.count(_ISSUE, subject="two", outcome="ThrottlingException") == 2


async def test_a_certificates_calls_have_its_common_name_for_subject(iot: IoTClient, double: AwsIotDouble) -> None:
    """Calls by certificate id or ARN can be scripted by device too."""
    double.faults.script("DescribeCertificate", Fail("ThrottlingException"), subject="two")
    one, two = await _issue(iot, "one"), await _issue(iot, "two")
    await iot.describe_certificate(certificateId=one)
    with pytest.raises(ClientError):
        await iot.describe_certificate(certificateId=two)


async def test_an_operation_is_denied_from_now_on(iot: IoTClient, double: AwsIotDouble) -> None:
    """A denied operation stays denied, and the others are not."""
    await _issue(iot)
    double.faults.deny(_ISSUE)
    for _ in range(3):
        with pytest.raises(ClientError) as caught:
            await _issue(iot)
        assert error_code(caught.value) == "403 AccessDeniedException"
    await iot.create_thing(thingName="one")
    double.faults.clear()
    await _issue(iot)


async def test_credentials_expire_and_others_are_good(iot: IoTClient, double: AwsIotDouble) -> None:
    """After as many calls as asked for, the access key has expired; a fresh one works."""
    double.credentials.expire(after=2)
    await iot.create_thing(thingName="one")
    await iot.create_thing(thingName="two")
    with pytest.raises(ClientError) as caught:
        await iot.create_thing(thingName="three")
    assert error_code(caught.value) == "403 ExpiredTokenException"
    async with iot_client(double.url, access_key="AKIDRENEWED") as renewed:
        await renewed.create_thing(thingName="three")
    assert [call.access_key for call in double.journal.calls][2:] == ["AKIDEXAMPLE", "AKIDRENEWED"]


async def test_calls_over_the_rate_are_throttled(iot: IoTClient, double: AwsIotDouble) -> None:
    """A bucket admits its burst, then answers ThrottlingException for its own operation only."""
    double.throttle.limit(_ISSUE, rate=0.001, burst=2)
    await _issue(iot)
    await _issue(iot)
    with pytest.raises(ClientError) as caught:
        await _issue(iot)
    assert error_code(caught.value) == "400 ThrottlingException"
    await iot.create_thing(thingName="one")
    double.throttle.lift(_ISSUE)
    await _issue(iot)
