"""Keys under a passphrase: what OpenSSL opens, and nothing that was changed since."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import keys
from pipeline.bundles.parts import KeyFile
from pipeline.pkcs8 import Cost, Envelope, WrappingKey
from pipeline.secret import Secret
from pipeline.settings import KeyType
from pipeline.unsealing import KeyNotOpenedError, Opener, is_well_formed

if TYPE_CHECKING:
    from pathlib import Path

PASSPHRASE = Secret("Fluß und Wehr, line 7".encode())
WRAPPING = WrappingKey.derive(PASSPHRASE)
KEY = keys.generate(KeyType.EC_P256)
DER = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
SEALED = WRAPPING.encrypt(DER)


def sealed(data: bytes) -> KeyFile:
    return KeyFile(Secret(data), encrypted=True)


@pytest.mark.parametrize("key_type", KeyType)
def test_openssl_opens_a_key_of_each_type(tmp_path: Path, key_type: KeyType) -> None:
    """``openssl pkey`` with its own limits, cryptography, and thingmill itself find the key that was sealed."""
    key = keys.generate(key_type)
    data = WRAPPING.encrypt(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    path, passphrase = tmp_path / "a.key", tmp_path / "passphrase"
    path.write_bytes(data)
    passphrase.write_bytes(PASSPHRASE.reveal() + b"\n")
    command = ["openssl", "pkey", "-in", str(path), "-passin", f"file:{passphrase}"]
    opened = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert opened == pem
    assert load_pem_private_key(data, PASSPHRASE.reveal()).public_key() == key.public_key()
    assert Opener(passphrase=PASSPHRASE).open(sealed(data)).data.reveal() == pem


def test_openssl_names_scrypt_and_aes_256(tmp_path: Path) -> None:
    """The file says by whose rules it is encrypted: PBES2, scrypt, AES-256-CBC."""
    (tmp_path / "a.key").write_bytes(SEALED)
    command = ["openssl", "asn1parse", "-in", str(tmp_path / "a.key")]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert [name in told for name in ("PBES2", "scrypt", "aes-256-cbc")] == [True] * 3


@given(content=st.binary(min_size=1, max_size=3000), length=st.integers(0, 200_000))
@settings(max_examples=50)
def test_what_is_written_is_read_as_it_was(content: bytes, length: int) -> None:
    """An envelope of any length is taken apart into what it was put together from."""
    ciphertext = (content * (length // len(content) + 1))[: max(length, 1) // 16 * 16 or 16].ljust(16, b"x")
    envelope = Envelope(Cost(), content[:16], content[:1] * 16, ciphertext)
    assert Envelope.parse(envelope.pem()) == envelope


@given(data=st.data())
@settings(max_examples=200)
def test_no_change_to_the_file_goes_unseen(data: st.DataObject) -> None:
    """Whatever bit of the file is flipped, it is not opened, or what it opens to is no longer that key."""
    at = data.draw(st.integers(0, len(SEALED) - 1))
    changed = bytearray(SEALED)
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        envelope = Envelope.parse(bytes(changed))
        # With the right key, or the salt would make each example take a third of a second.
        opened = envelope.decrypt(WRAPPING.key)
    except ValueError:
        return
    assert opened != DER or (envelope.salt, envelope.cost) != (WRAPPING.salt, WRAPPING.cost)


@given(st.binary(max_size=300))
def test_what_is_no_sealed_key_is_told_apart(data: bytes) -> None:
    """No bytes make the parser fail in another way than by saying that they are none."""
    assert not is_well_formed(sealed(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + data))
    assert not is_well_formed(sealed(data))


@pytest.mark.parametrize("cost", [Cost(n=1 << 20), Cost(p=1 << 20), Cost(n=1 << 15)])
def test_a_file_cannot_make_us_work_for_hours(cost: Cost) -> None:
    """What asks for more memory or work than OpenSSL would allow is refused before anything is derived."""
    with pytest.raises(ValueError, match="as thingmill writes it"):
        Envelope.parse(Envelope(cost, bytes(16), bytes(16), bytes(16)).pem())


def test_another_passphrase_does_not_open() -> None:
    """It is said that it does not, and nothing of the file or the passphrase."""
    with pytest.raises(KeyNotOpenedError) as caught:
        Opener(passphrase=Secret(b"something else")).open(sealed(SEALED))
    assert str(caught.value) == "it does not open with the passphrase that was given, or is damaged"


def test_what_wraps_keys_shows_itself_nowhere() -> None:
    """Neither the derived key nor a passphrase is in a repr."""
    shown = repr(WRAPPING) + repr(Opener(passphrase=PASSPHRASE)) + repr(Envelope.parse(SEALED))
    assert repr(WRAPPING.key) not in shown
    assert "Wehr" not in shown
    assert PEM.splitlines()[1].decode() not in shown


def test_each_file_has_a_vector_of_its_own() -> None:
    """The same key encrypted again with the same passphrase gives other bytes throughout."""
    first, second = Envelope.parse(SEALED), Envelope.parse(WRAPPING.encrypt(DER))
    assert first.vector != second.vector
    assert first.ciphertext[:16] != second.ciphertext[:16]
