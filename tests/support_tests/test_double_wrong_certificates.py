"""Wrong certificates: each is wrong in the one way that was asked for."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.support.awsiot import Spoil, Wrong
from tests.support.csrs import make_csr

if TYPE_CHECKING:
    from types_aiobotocore_iot.client import IoTClient
    from types_aiobotocore_iot.type_defs import CreateCertificateFromCsrResponseTypeDef

    from tests.support.awsiot import AwsIotDouble
    from tests.support.csrs import TestCsr

pytestmark = pytest.mark.anyio


def _flaws(answer: CreateCertificateFromCsrResponseTypeDef, csr: TestCsr) -> set[Wrong]:
    """Return everything that is wrong with an answer."""
    pem = answer["certificatePem"]
    if pem.count("BEGIN CERTIFICATE") != 1:
        return {Wrong.TWO_BLOCKS}
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return {Wrong.GARBLED}
    der = certificate.public_bytes(serialization.Encoding.DER)
    now = datetime.now(UTC)
    found = {
        Wrong.EXPIRED: certificate.not_valid_after_utc < now,
        Wrong.NOT_YET_VALID: certificate.not_valid_before_utc > now,
        Wrong.OTHER_KEY: certificate.public_key() != csr.key.public_key(),
        Wrong.OTHER_NAME: certificate.subject.rfc4514_string() != "CN=one",
        Wrong.OTHER_ID: hashlib.sha256(der).hexdigest() != answer["certificateId"],
    }
    return {flaw for flaw, there in found.items() if there}


@pytest.mark.parametrize("wrong", list(Wrong))
async def test_a_certificate_is_wrong_as_asked(iot: IoTClient, double: AwsIotDouble, wrong: Wrong) -> None:
    """A spoiled answer has one flaw, the certificate is known under its id, and the next one is right."""
    double.faults.script("CreateCertificateFromCsr", Spoil(wrong))
    csr = make_csr("one")
    spoiled = await iot.create_certificate_from_csr(certificateSigningRequest=csr.pem, setAsActive=True)
    assert _flaws(spoiled, csr) == {wrong}
    await iot.update_certificate(certificateId=spoiled["certificateId"], newStatus="INACTIVE")
    sound = await iot.create_certificate_from_csr(certificateSigningRequest=csr.pem, setAsActive=True)
    assert _flaws(sound, csr) == set()
    statuses = [found.status for found in double.account.certificates_by_spki()[csr.spki_sha256]]
    assert statuses == ["INACTIVE", "ACTIVE"]
