"""What thingmill is measured against, as programs: ``python -m benchmarks.reference SIDE URL DEVICES``.

========  ====================================================================================================
side      what it does
========  ====================================================================================================
aio       a bare aiobotocore loop: 256 tasks, each one device after another; keys are made before; no files
pool      boto3 in a pool of 64 threads, in the same way
script    the script that people write: key, CSR, calls, files, one device after another (``FOLDER KEY`` follow)
========  ====================================================================================================

The first two make the calls that thingmill makes, in the same order. The script makes those it needs.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3  # type: ignore[import-untyped]  # boto3 carries no types, and its stubs are not among the dependencies
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from benchmarks.double import POLICY
from benchmarks.product import names

if TYPE_CHECKING:
    from types_aiobotocore_iot.type_defs import AttributePayloadTypeDef

__all__ = ["TASKS", "THREADS", "csr_of", "new_key"]

TASKS = 256
"""As many as thingmill has lanes."""
THREADS = 64

_ATTRIBUTES: AttributePayloadTypeDef = {"attributes": {"serial_number": "SN-0000001", "hw_rev": "A1"}}


def new_key(key_type: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    """Return a key: ``ec-p256``, or ``rsa-`` and its bits."""
    if key_type == "ec-p256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=int(key_type.removeprefix("rsa-")))


def csr_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str) -> str:
    """Return a PEM CSR for a name."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA512())
    return csr.public_bytes(Encoding.PEM).decode("ascii")


async def aio(url: str, devices: int) -> None:
    """Provision devices with aiobotocore, and with nothing else."""
    left = iter([(name, csr_of(new_key("ec-p256"), name)) for name in names(devices)])
    config = AioConfig(max_pool_connections=TASKS, retries={"total_max_attempts": 1})
    async with get_session().create_client("iot", endpoint_url=url, config=config) as client:

        async def task() -> None:
            for name, csr in left:
                try:
                    await client.describe_thing(thingName=name)
                except ClientError as error:
                    _expect_missing(error)
                await client.create_thing(thingName=name, attributePayload=_ATTRIBUTES)
                issued = await client.create_certificate_from_csr(certificateSigningRequest=csr, setAsActive=True)
                await client.attach_thing_principal(thingName=name, principal=issued["certificateArn"])
                await client.attach_policy(policyName=POLICY, target=issued["certificateArn"])

        async with asyncio.TaskGroup() as group:
            for _ in range(TASKS):
                group.create_task(task())


def pool(url: str, devices: int) -> None:
    """Provision devices with boto3 in threads, which share a client."""
    requests = [(name, csr_of(new_key("ec-p256"), name)) for name in names(devices)]
    client = boto3.client(
        "iot", endpoint_url=url, config=Config(max_pool_connections=THREADS, retries={"total_max_attempts": 1})
    )

    def provision(name: str, csr: str) -> None:
        try:
            client.describe_thing(thingName=name)
        except ClientError as error:
            _expect_missing(error)
        _call(client, name, csr)

    with ThreadPoolExecutor(THREADS) as executor:
        for future in [executor.submit(provision, *request) for request in requests]:
            future.result()


def script(url: str, devices: int, folder: Path, key_type: str) -> None:
    """Provision devices one after another, and print how long they took."""
    client = boto3.client("iot", endpoint_url=url)
    begin = time.monotonic()
    for name in names(devices):
        key = new_key(key_type)
        certificate = _call(client, name, csr_of(key, name))
        place = folder / name
        place.mkdir(parents=True)
        (place / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (place / f"{name}.pem").write_text(certificate, encoding="ascii")
    print(json.dumps({"seconds": time.monotonic() - begin}))


def _call(client: Any, name: str, csr: str) -> str:  # noqa: ANN401  made at run time from the service's model
    client.create_thing(thingName=name, attributePayload=_ATTRIBUTES)
    issued = client.create_certificate_from_csr(certificateSigningRequest=csr, setAsActive=True)
    client.attach_thing_principal(thingName=name, principal=issued["certificateArn"])
    client.attach_policy(policyName=POLICY, target=issued["certificateArn"])
    return str(issued["certificatePem"])


def _expect_missing(error: ClientError) -> None:
    if error.response["Error"]["Code"] != "ResourceNotFoundException":
        raise error


def main(side: str, url: str, devices: str, *more: str) -> None:
    """Run one side."""
    if side == "aio":
        asyncio.run(aio(url, int(devices)))
    elif side == "pool":
        pool(url, int(devices))
    else:
        folder, key_type = more
        script(url, int(devices), Path(folder), key_type)


if __name__ == "__main__":
    main(*sys.argv[1:])
