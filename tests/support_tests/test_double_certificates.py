"""The double's certificates, asked through a real client."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.awsiot import AwsIotDouble, ListingLag
from tests.support.clients import error_code, iot_client
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from types_aiobotocore_iot.client import IoTClient

pytestmark = pytest.mark.anyio


async def _issue(iot: IoTClient, name: str = "one", *, active: bool = True) -> tuple[str, str]:
    answer = await iot.create_certificate_from_csr(
        certificateSigningRequest=make_csr(name).pem, setAsActive=active
    )
    return answer["certificateId"], answer["certificateArn"]


async def test_a_certificate_is_what_its_csr_asked_for(iot: IoTClient) -> None:
    """Key and subject are the CSR's, it is valid to the end of 2049, and its id is the SHA-256 of its DER."""
    csr = make_csr("TestThing001")
    answer = await iot.create_certificate_from_csr(certificateSigningRequest=csr.pem, setAsActive=True)
    certificate = x509.load_pem_x509_certificate(answer["certificatePem"].encode())
    assert certificate.public_key() == csr.key.public_key()
    assert certificate.subject.rfc4514_string() == "CN=TestThing001"
    assert certificate.not_valid_after_utc == datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert certificate.not_valid_before_utc < datetime.now(UTC)
    der = certificate.public_bytes(serialization.Encoding.DER)
    assert answer["certificateId"] == hashlib.sha256(der).hexdigest()
    assert answer["certificateArn"].endswith(f":cert/{answer['certificateId']}")
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign


async def test_the_certificate_is_signed_by_the_doubles_authority(iot: IoTClient, double: AwsIotDouble) -> None:
    """The double's CA certificate verifies what it issues."""
    answer = await iot.create_certificate_from_csr(certificateSigningRequest=make_csr("one").pem)
    certificate = x509.load_pem_x509_certificate(answer["certificatePem"].encode())
    certificate.verify_directly_issued_by(
        x509.load_pem_x509_certificate(double.account.store.authority.pem.encode())
    )


async def test_the_same_csr_gives_a_distinct_certificate(iot: IoTClient, double: AwsIotDouble) -> None:
    """CreateCertificateFromCsr is not idempotent, and a checker finds both certificates by the key."""
    csr = make_csr("one")
    first = await iot.create_certificate_from_csr(certificateSigningRequest=csr.pem)
    again = await iot.create_certificate_from_csr(certificateSigningRequest=csr.pem)
    assert first["certificateId"] != again["certificateId"]
    found = double.account.certificates_by_spki()[csr.spki_sha256]
    assert [certificate.certificate_id for certificate in found] == [
        first["certificateId"],
        again["certificateId"],
    ]


@pytest.mark.parametrize(
    "pem",
    ["not a CSR", make_csr("one", ec.SECP256K1()).pem, make_csr("one").pem + "x" * 4096],
    ids=["no PEM", "another curve", "too long"],
)
async def test_a_csr_that_aws_would_refuse_is_refused(iot: IoTClient, double: AwsIotDouble, pem: str) -> None:
    """What is no CSR, has an unsupported key or is too long gives no certificate."""
    with pytest.raises(ClientError) as caught:
        await iot.create_certificate_from_csr(certificateSigningRequest=pem)
    assert error_code(caught.value) == "400 InvalidRequestException"
    assert not double.account.store.certificates


async def test_a_certificate_is_described_with_its_pem(iot: IoTClient) -> None:
    """DescribeCertificate returns status, PEM, dates and validity."""
    csr = make_csr("one").pem
    issued = await iot.create_certificate_from_csr(certificateSigningRequest=csr, setAsActive=False)
    told = (await iot.describe_certificate(certificateId=issued["certificateId"]))["certificateDescription"]
    assert (told["certificateArn"], told["certificatePem"]) == (
        issued["certificateArn"],
        issued["certificatePem"],
    )
    assert (told["status"], told["ownedBy"]) == ("INACTIVE", "123456789012")
    assert told["validity"]["notAfter"].astimezone(UTC) == datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert told["creationDate"] <= datetime.now(UTC)


async def test_the_newest_certificates_are_listed_first_unless_asked_otherwise(iot: IoTClient) -> None:
    """ListCertificates runs from new to old, or from old to new with ascendingOrder."""
    issued = [(await _issue(iot))[0] for _ in range(3)]
    newest = await iot.list_certificates()
    oldest = await iot.list_certificates(ascendingOrder=True)
    assert [found["certificateId"] for found in newest["certificates"]] == issued[::-1]
    assert [found["certificateId"] for found in oldest["certificates"]] == issued
    assert newest["certificates"][0]["status"] == "ACTIVE"


async def test_pages_stay_right_while_certificates_come_and_go(iot: IoTClient, double: AwsIotDouble) -> None:
    """A marker goes on where it was, though one was issued and the last one shown deleted in between."""
    issued = [(await _issue(iot, active=False))[0] for _ in range(5)]
    first = await iot.list_certificates(pageSize=2)
    await _issue(iot)
    await iot.delete_certificate(certificateId=issued[3])
    second = await iot.list_certificates(pageSize=2, marker=first["nextMarker"])
    third = await iot.list_certificates(pageSize=2, marker=second["nextMarker"])
    shown = [found["certificateId"] for page in (first, second, third) for found in page["certificates"]]
    assert shown == issued[::-1]
    assert double.journal.count("ListCertificates") == 3
    assert "nextMarker" not in third


async def test_a_page_is_at_most_250_and_25_by_default(iot: IoTClient) -> None:
    """The default page has 25 certificates."""
    for _ in range(26):
        await _issue(iot)
    assert len((await iot.list_certificates())["certificates"]) == 25
    assert len((await iot.list_certificates(pageSize=250))["certificates"]) == 26


async def test_a_listing_can_lag_by_calls(iot: IoTClient, double: AwsIotDouble) -> None:
    """A certificate stays out of as many listings as was asked for."""
    double.account.store.lag = ListingLag(calls=2)
    certificate_id, _ = await _issue(iot)
    shown = [(await iot.list_certificates())["certificates"] for _ in range(3)]
    assert [len(page) for page in shown] == [0, 0, 1]
    assert (await iot.describe_certificate(certificateId=certificate_id))["certificateDescription"]


async def test_a_listing_can_lag_by_time() -> None:
    """A certificate stays out of listings until the double's clock says so."""
    clock = [2_000_000_000.0]
    async with AwsIotDouble(clock=lambda: clock[0]) as double, iot_client(double.url) as iot:
        double.account.store.lag = ListingLag(seconds=5.0)
        await _issue(iot)
        assert (await iot.list_certificates())["certificates"] == []
        clock[0] += 5.0
        shown = (await iot.list_certificates())["certificates"]
    assert [found["creationDate"].timestamp() for found in shown] == [2_000_000_000.0]


async def test_a_revoked_certificate_stays_revoked(iot: IoTClient) -> None:
    """UpdateCertificate may be repeated, but does not bring a revoked certificate back."""
    certificate_id, _ = await _issue(iot)
    await iot.update_certificate(certificateId=certificate_id, newStatus="REVOKED")
    await iot.update_certificate(certificateId=certificate_id, newStatus="REVOKED")
    with pytest.raises(ClientError) as caught:
        await iot.update_certificate(certificateId=certificate_id, newStatus="ACTIVE")
    assert error_code(caught.value) == "406 CertificateStateException"


async def test_certificate_and_thing_are_linked_both_ways(iot: IoTClient, double: AwsIotDouble) -> None:
    """AttachThingPrincipal may be repeated, and both listings show the link until it is detached."""
    certificate_id, arn = await _issue(iot)
    await iot.create_thing(thingName="one")
    await iot.attach_thing_principal(thingName="one", principal=arn)
    await iot.attach_thing_principal(thingName="one", principal=arn)
    assert (await iot.list_thing_principals(thingName="one"))["principals"] == [arn]
    assert (await iot.list_principal_things(principal=arn))["things"] == ["one"]
    assert double.account.store.certificates[certificate_id].things == ["one"]
    await iot.detach_thing_principal(thingName="one", principal=arn)
    assert (await iot.list_thing_principals(thingName="one"))["principals"] == []
    assert (await iot.list_principal_things(principal=arn))["things"] == []


async def test_a_thing_with_a_certificate_is_not_deleted(iot: IoTClient) -> None:
    """DeleteThing wants its principals detached first."""
    _, arn = await _issue(iot)
    await iot.create_thing(thingName="one")
    await iot.attach_thing_principal(thingName="one", principal=arn)
    with pytest.raises(ClientError) as caught:
        await iot.delete_thing(thingName="one")
    assert error_code(caught.value) == "400 InvalidRequestException"


async def test_a_certificate_is_deleted_only_when_loose_and_inactive(iot: IoTClient, double: AwsIotDouble) -> None:
    """DeleteCertificate conflicts while a thing is attached, and refuses an active certificate."""
    certificate_id, arn = await _issue(iot)
    await iot.create_thing(thingName="one")
    await iot.attach_thing_principal(thingName="one", principal=arn)
    with pytest.raises(ClientError) as caught:
        await iot.delete_certificate(certificateId=certificate_id)
    assert error_code(caught.value) == "409 DeleteConflictException"
    await iot.detach_thing_principal(thingName="one", principal=arn)
    with pytest.raises(ClientError) as caught:
        await iot.delete_certificate(certificateId=certificate_id)
    assert error_code(caught.value) == "406 CertificateStateException"
    await iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
    await iot.delete_certificate(certificateId=certificate_id)
    assert not double.account.store.certificates
