"""A key's file is whole, or it is not: whatever bit of it was changed is noticed."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from pipeline.keys import generate, spki_sha256
from pipeline.settings import KeyType
from pipeline.verify.private_key import whole_key_hash

if TYPE_CHECKING:
    from pipeline.keys import PrivateKey

TYPES = (KeyType.RSA_2048, KeyType.EC_P256, KeyType.EC_P384, KeyType.EC_P521)
KEYS = {key_type: generate(key_type) for key_type in TYPES}


def written(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


PEMS = {key_type: written(key) for key_type, key in KEYS.items()}


def flipped(data: bytes, position: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1 << bit
    return bytes(changed)


@pytest.mark.parametrize("key_type", TYPES)
def test_a_key_as_it_was_written_is_whole(key_type: KeyType) -> None:
    """Its hash is that of the public key, as certificate and ledger have it."""
    assert whole_key_hash(PEMS[key_type]) == spki_sha256(KEYS[key_type].public_key())


@pytest.mark.parametrize("key_type", TYPES)
def test_the_lowest_bit_of_any_byte_matters(key_type: KeyType) -> None:
    """At each place of the file, armour and line ends included, a flipped bit leaves no key of this hash."""
    pem = PEMS[key_type]
    hash_ = whole_key_hash(pem)
    assert [place for place in range(len(pem)) if whole_key_hash(flipped(pem, place, 0)) == hash_] == []


@given(st.sampled_from(TYPES), st.data())
def test_any_bit_matters(key_type: KeyType, data: st.DataObject) -> None:
    """Whichever bit is flipped, no key of this hash is left."""
    pem = PEMS[key_type]
    place = data.draw(st.integers(0, len(pem) - 1))
    bit = data.draw(st.integers(0, 7))
    assert whole_key_hash(flipped(pem, place, bit)) != whole_key_hash(pem)


@given(st.binary(max_size=400))
def test_what_is_no_key_is_not_whole(data: bytes) -> None:
    """Any bytes at all give an answer, and none is taken for a key."""
    assert whole_key_hash(data) is None
    assert whole_key_hash(PEMS[KeyType.EC_P256] + b" " + data) is None


@pytest.mark.parametrize("number", ["d", "dmp1", "dmq1", "iqmp"])
def test_numbers_of_an_rsa_key_that_do_not_belong_together_are_no_key(number: str) -> None:
    """Also when they are written in good form, so that nothing but arithmetic can tell."""
    key = KEYS[KeyType.RSA_2048]
    assert isinstance(key, rsa.RSAPrivateKey)
    good = key.private_numbers()
    numbers = {name: getattr(good, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp")}
    numbers[number] += 2
    bad = rsa.RSAPrivateNumbers(**numbers, public_numbers=good.public_numbers)
    assert whole_key_hash(written(bad.private_key(unsafe_skip_rsa_key_validation=True))) is None


def test_an_elliptic_key_beside_another_public_key_is_no_key() -> None:
    """The public point in the file must be that of the private number."""
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    point, strange = (
        each.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint) for each in (key, other)
    )
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert der.count(point) == 1
    text = base64.b64encode(der.replace(point, strange)).decode("ascii")
    lines = [text[place : place + 64] for place in range(0, len(text), 64)]
    label = "PRIVATE KEY"
    pem = "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])
    assert whole_key_hash(pem.encode("ascii")) is None


def test_keys_in_other_forms_are_not_what_was_written() -> None:
    """An encrypted key, a traditional encoding and line ends of another system are each no whole key."""
    key = KEYS[KeyType.EC_P256]
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass phrase"))
    traditional = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    windows = PEMS[KeyType.EC_P256].replace(b"\n", b"\r\n")
    assert [whole_key_hash(form) for form in (encrypted, traditional, windows)] == [None, None, None]
