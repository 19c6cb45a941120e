"""A bundle is proven by connecting with it, and every reason why it cannot be is told apart."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio
import pytest
from aiobotocore.session import get_session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.local import embedded
from pipeline.mqtt import ProofError, prove, prove_refused, read_bundle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from types_aiobotocore_iot import IoTClient

    from pipeline.local import Embedded
    from pipeline.mqtt import BundleFiles

pytest.importorskip("ministack", reason="needs the extra `local`")

POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "iot:Connect",
            "Resource": "arn:aws:iot:*:*:client/${iot:Connection.Thing.ThingName}",
            "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": "true"}},
        },
        {
            "Effect": "Allow",
            "Action": "iot:Publish",
            "Resource": "arn:aws:iot:*:*:topic/things/${iot:Connection.Thing.ThingName}/*",
        },
    ],
}


@dataclass(frozen=True)
class Provisioned:
    """One device on the embedded AWS IoT, and the client that can still change it."""

    aws: Embedded
    iot: IoTClient
    bundle: BundleFiles
    certificate_id: str
    certificate_arn: str


def new_key() -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return key, pem


def write_bundle(folder: Path, name: str, files: dict[str, bytes], port: int) -> BundleFiles:
    folder.mkdir(mode=0o700)
    for file_name, content in files.items():
        (folder / file_name).write_bytes(content)
    (folder / f"{name}.key").chmod(0o400)
    config = {
        "endpoint": "localhost",
        "port": port,
        "cert": f"{name}.pem",
        "key": f"{name}.key",
        "root-ca": "root-ca.pem",
        "thing-name": name,
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="ascii")
    return read_bundle(folder)


async def provision(aws: Embedded, iot: IoTClient, folder: Path, name: str = "TestThing001") -> Provisioned:
    key, key_pem = new_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    await iot.create_thing(thingName=name)
    issued = await iot.create_certificate_from_csr(
        certificateSigningRequest=csr.public_bytes(serialization.Encoding.PEM).decode(), setAsActive=True
    )
    await iot.create_policy(policyName="device", policyDocument=json.dumps(POLICY))
    await iot.attach_thing_principal(thingName=name, principal=issued["certificateArn"])
    await iot.attach_policy(policyName="device", target=issued["certificateArn"])
    files = {
        f"{name}.key": key_pem,
        f"{name}.pem": issued["certificatePem"].encode(),
        "root-ca.pem": aws.ca_pem.encode(),
    }
    bundle = write_bundle(folder / name, name, files, aws.mqtt_port)
    return Provisioned(aws, iot, bundle, issued["certificateId"], issued["certificateArn"])


def with_device(tmp_path: Path, scene: Callable[[Provisioned], Awaitable[None]]) -> None:
    """Play a scene with one provisioned device on an embedded AWS IoT of its own."""

    async def play() -> None:
        async with embedded(tmp_path / "state") as aws:
            client = get_session().create_client(
                "iot",
                endpoint_url=aws.endpoint_url,
                region_name=aws.region,
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
            async with client as iot:
                await scene(await provision(aws, iot, tmp_path))

    anyio.run(play)


async def failure(proof: Awaitable[object]) -> ProofError:
    with pytest.raises(ProofError) as caught:
        await proof
    return caught.value


def test_a_provisioned_bundle_proves_itself(tmp_path: Path) -> None:
    """A device with its thing, certificate and policy connects and has its message acknowledged."""

    async def scene(device: Provisioned) -> None:
        await prove(device.bundle)

    with_device(tmp_path, scene)


def test_another_client_id_is_refused(tmp_path: Path) -> None:
    """Under a client id that is not its thing's name a device is refused, and the reason is handed back."""

    async def scene(device: Provisioned) -> None:
        assert "Not authorized" in await prove_refused(device.bundle)
        assert (await failure(prove(device.bundle, client_id="TestThing002"))).code == "NotAuthorized"

    with_device(tmp_path, scene)


def test_being_let_in_under_another_client_id_is_a_failure(tmp_path: Path) -> None:
    """A policy that lets a device in under any client id does not pass for one that refuses it."""
    anyone = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}}

    async def scene(device: Provisioned) -> None:
        await device.iot.create_policy(policyName="anyone", policyDocument=json.dumps(anyone))
        await device.iot.attach_policy(policyName="anyone", target=device.certificate_arn)
        assert (await failure(prove_refused(device.bundle))).code == "LetIn"

    with_device(tmp_path, scene)


def test_without_its_policy_a_device_is_not_authorized(tmp_path: Path) -> None:
    """The authority comes from the policy: detached, the same bundle is refused."""

    async def scene(device: Provisioned) -> None:
        await device.iot.detach_policy(policyName="device", target=device.certificate_arn)
        assert (await failure(prove(device.bundle))).code == "NotAuthorized"

    with_device(tmp_path, scene)


def test_without_its_thing_a_device_is_not_authorized(tmp_path: Path) -> None:
    """A certificate that is not attached to its thing does not satisfy the policy's condition."""

    async def scene(device: Provisioned) -> None:
        await device.iot.detach_thing_principal(
            thingName=device.bundle.thing_name, principal=device.certificate_arn
        )
        assert (await failure(prove(device.bundle))).code == "NotAuthorized"

    with_device(tmp_path, scene)


def test_a_deactivated_certificate_is_refused(tmp_path: Path) -> None:
    """A server that closes the connection on a certificate is noticed at once, and not as a timeout."""

    async def scene(device: Provisioned) -> None:
        await device.iot.update_certificate(certificateId=device.certificate_id, newStatus="INACTIVE")
        assert (await failure(prove(device.bundle))).code == "ConnectionClosed"

    with_device(tmp_path, scene)


def test_a_message_that_the_policy_forbids_is_not_taken_for_delivered(tmp_path: Path) -> None:
    """An acknowledgement with a failing reason code is a failure."""

    async def scene(device: Provisioned) -> None:
        refused = await failure(prove(device.bundle, topic="things/TestThing002/proof"))
        assert refused.code == "PublishRefused"
        assert "0x87" in refused.message

    with_device(tmp_path, scene)


def test_a_server_of_another_ca_is_not_trusted(tmp_path: Path) -> None:
    """A bundle whose root CA did not sign the server's certificate sends nothing to that server."""

    async def scene(device: Provisioned) -> None:
        device.bundle.root_ca.write_bytes(self_signed("Another CA"))
        assert (await failure(prove(device.bundle))).code == "TLSFailed"

    with_device(tmp_path, scene)


def test_a_server_of_another_name_is_not_trusted(tmp_path: Path) -> None:
    """The right CA is not enough: the server's certificate must be good for the endpoint's name."""

    async def scene(device: Provisioned) -> None:
        # 127.0.0.1 to a resolver, but to TLS a name that the certificate does not carry.
        assert (await failure(prove(replace(device.bundle, endpoint="127.1")))).code == "TLSFailed"

    with_device(tmp_path, scene)


def self_signed(name: str) -> bytes:
    key, _ = new_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)
