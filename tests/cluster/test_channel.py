"""What workers seal and what the run opens: one key for one device, and nothing else."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

import pipeline
from pipeline.cluster import job
from pipeline.cluster.channel import Channel
from pipeline.cluster.job import SealedKey, Wanted, make_sealed
from pipeline.codes import DeviceCode
from pipeline.errors import DeviceError
from pipeline.keymaking import KeyOrder
from pipeline.keys import fits, public_key_of_csr, spki_sha256
from pipeline.settings import KeyType
from tests.cluster.weak import WEAK
from tests.hygiene.keymaterial import KeyMaterial
from tests.support.thorough import sampled

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.keys import PrivateKey

pytestmark = pytest.mark.usefixtures("soft")


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
def wanted(channel: Channel, tmp_path: Path) -> Wanted:
    return channel.wanted(KeyOrder(tmp_path, "one", "one.example", KeyType.EC_P256))


def der(key: PrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def sealed(wanted: Wanted, key: bytes) -> SealedKey:
    """What a worker could send that holds to no rule but the seal."""
    public_key = hpke.MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(wanted.recipient[:1184]),
        X25519PublicKey.from_public_bytes(wanted.recipient[1184:]),
    )
    return SealedKey(job.SUITE.encrypt(key, public_key, info=wanted.binding), pipeline.__version__)


def refused(channel: Channel, wanted: Wanted, answer: object) -> str:
    with pytest.raises(DeviceError) as caught:
        channel.open(wanted, answer)
    assert caught.value.code == DeviceCode.STRANGE_SEALED_KEY
    assert caught.value.step == 2
    assert caught.value.__cause__ is None
    return caught.value.message


@pytest.mark.parametrize("key_type", sampled(KeyType, lambda key_type: key_type in {"ec-p256", "rsa-2048"}))
def test_a_key_arrives_as_it_was_asked_for_and_crosses_sealed(
    channel: Channel, wanted: Wanted, key_type: KeyType
) -> None:
    """What the run opens is a key of the type; what crossed, however it is shown or pickled, has nothing of it."""
    wanted = replace(wanted, key_type=key_type)
    answer = pickle.loads(pickle.dumps(make_sealed(pickle.loads(pickle.dumps(wanted)))))  # noqa: S301  our own
    key, csr = channel.open(wanted, answer)
    assert spki_sha256(public_key_of_csr(csr)) == spki_sha256(key.public_key())
    assert fits(key.public_key(), key_type)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    crossed = pickle.dumps((wanted, answer)) + repr((wanted, answer)).encode()
    assert not KeyMaterial([pem]).within(crossed)


@pytest.mark.parametrize(
    "change", [{"thing_name": "two"}, {"common_name": "two.example"}, {"key_type": KeyType.EC_P384}], ids=str
)
def test_the_key_of_another_order_does_not_open(channel: Channel, wanted: Wanted, change: dict[str, Any]) -> None:
    """Whoever carries the answers cannot give a device the key that was made for another, or of another type."""
    other = replace(wanted, **change)
    assert "does not open" in refused(channel, wanted, make_sealed(other))


def test_an_answer_to_another_run_does_not_open(wanted: Wanted) -> None:
    """Each process of a run has a key pair of its own."""
    assert "does not open" in refused(Channel(), wanted, make_sealed(wanted))


@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_no_bit_of_an_answer_can_be_changed(place: int, bit: int) -> None:
    """A sealed key that was touched on its way is refused."""
    channel = Channel()
    wanted = Wanted(channel._public_key, "one", "one", KeyType.EC_P256)
    answer = make_sealed(wanted)
    data = bytearray(answer.data)
    data[place % len(data)] ^= 1 << bit
    refused(channel, wanted, SealedKey(bytes(data), answer.thingmill))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"x" * 3000,
        "text",
        SealedKey(b"", pipeline.__version__),
        SealedKey(5, pipeline.__version__),  # type: ignore[arg-type]
        SealedKey(b"", None),  # type: ignore[arg-type]
        object.__new__(SealedKey),
    ],
    ids=["nothing", "no bytes", "bytes", "text", "empty", "number", "no version", "no fields"],
)
def test_what_is_no_sealed_key_is_refused(channel: Channel, wanted: Wanted, answer: object) -> None:
    """Whatever comes back in place of a key fails the device and nothing else."""
    refused(channel, wanted, answer)


def test_a_key_of_another_version_is_named(channel: Channel, wanted: Wanted) -> None:
    """A worker that was exchanged since it was looked at does not pass unseen."""
    answer = replace(make_sealed(wanted), thingmill="0.0.9\x1b[31m")
    message = refused(channel, wanted, answer)
    assert "made by thingmill 0.0.9" in message
    assert "\x1b" not in message


def another_curve() -> bytes:
    return der(ec.generate_private_key(ec.SECP384R1()))


def no_pair() -> bytes:
    """An RSA key whose private exponent is another's: what it signs, its public key does not verify."""
    key = rsa.generate_private_key(65537, 2048)
    d = key.private_numbers().d
    data, exponent = der(key), d.to_bytes((d.bit_length() + 7) // 8)
    assert data.count(exponent) == 1
    return data.replace(exponent, (d ^ 2).to_bytes(len(exponent)))


@pytest.mark.parametrize(
    ("make", "key_type"),
    [
        (another_curve, KeyType.EC_P256),
        (lambda: der(ed25519.Ed25519PrivateKey.generate()), KeyType.EC_P256),
        (lambda: der(rsa.generate_private_key(65537, 2048)), KeyType.RSA_3072),
        (lambda: der(rsa.generate_private_key(3, 2048)), KeyType.RSA_2048),
        (no_pair, KeyType.RSA_2048),
        (lambda: b"no DER", KeyType.RSA_2048),
    ],
    ids=["curve", "algorithm", "size", "exponent", "no pair", "nothing"],
)
def test_a_worker_that_lies_is_found_out(
    channel: Channel,
    wanted: Wanted,
    make: object,
    key_type: KeyType,
) -> None:
    """A key that opens is looked at before it is stored: its type, size, exponent, and that it is a pair."""
    wanted = replace(wanted, key_type=key_type)
    assert callable(make)
    refused(channel, wanted, sealed(wanted, make()))


@pytest.mark.parametrize("kind", WEAK)
def test_a_weak_key_is_found_out(channel: Channel, wanted: Wanted, kind: str) -> None:
    """A key whose numbers belong together, and which no generator makes, is refused before anything is stored."""
    make, what = WEAK[kind]
    wanted = replace(wanted, key_type=KeyType.RSA_2048)
    assert what in refused(channel, wanted, sealed(wanted, make()))
