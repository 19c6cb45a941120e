"""What a test sees of the calls: the hook as they arrive, the journal afterwards."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.support.awsiot import AwsIotDouble
from tests.support.clients import error_code, iot_client
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_aiobotocore_iot.client import IoTClient

pytestmark = pytest.mark.anyio

_ISSUE = "CreateCertificateFromCsr"


async def test_a_hook_sees_a_request_before_its_effect() -> None:
    """on_request is called with the members of the request while the account is still as it was."""
    seen: list[tuple[str, object, int]] = []

    async def look(operation: str, params: Mapping[str, object]) -> None:
        await asyncio.sleep(0)
        seen.append((operation, params["certificateSigningRequest"], len(double.account.store.certificates)))

    csr = make_csr("one").pem
    async with AwsIotDouble(on_request=look) as double, iot_client(double.url) as iot:
        await iot.create_certificate_from_csr(certificateSigningRequest=csr)
    assert seen == [(_ISSUE, csr, 0)]


async def test_what_a_hook_raises_fails_the_test() -> None:
    """An assertion in a hook is not lost: the client gets a 500, nothing happens, and the double raises it."""
    csr = make_csr("one").pem

    def refuse(operation: str, params: Mapping[str, object]) -> None:
        assert operation != _ISSUE, params

    async def use() -> None:
        async with AwsIotDouble(on_request=refuse) as double, iot_client(double.url) as iot:
            with pytest.raises(ClientError) as caught:
                await iot.create_certificate_from_csr(certificateSigningRequest=csr)
            assert error_code(caught.value) == "500 InternalFailureException"
            assert not double.account.store.certificates

    with pytest.raises(AssertionError, match="certificateSigningRequest"):
        await use()


async def test_the_journal_counts_what_could_change_something(iot: IoTClient, double: AwsIotDouble) -> None:
    """mutating_calls counts creations, attachments and their failures, and no listing or description."""
    await iot.create_thing(thingName="one")
    double.faults.deny("AttachThingPrincipal")
    with pytest.raises(ClientError):
        await iot.attach_thing_principal(thingName="one", principal="arn:aws:iot:::cert/1")
    await iot.describe_thing(thingName="one")
    await iot.list_certificates()
    assert double.journal.mutating_calls == 2
    assert double.journal.peak("CreateThing") == 1
    assert double.journal.calls[0].params == {"thingName": "one"}
