"""Keys, CSRs and the inspection of what comes back for them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import keys
from pipeline.device import Issued
from pipeline.errors import DeviceError
from pipeline.inspection import inspect, public_key_hash
from pipeline.settings import KeyType

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FACTS = {
    KeyType.RSA_2048: ("rsa", 2048),
    KeyType.RSA_3072: ("rsa", 3072),
    KeyType.RSA_4096: ("rsa", 4096),
    KeyType.EC_P256: ("secp256r1", 256),
    KeyType.EC_P384: ("secp384r1", 384),
    KeyType.EC_P521: ("secp521r1", 521),
}
COMMON_NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=64).filter(
    lambda name: len(name.encode()) <= 64
)


def issue(
    csr: str,
    *,
    common_name: str | None = None,
    key: ec.EllipticCurvePrivateKey | None = None,
    begins: datetime = NOW - timedelta(days=1),
    ends: datetime = NOW + timedelta(days=1),
) -> Issued:
    """Return what a server might answer to a CSR, right or wrong."""
    request = x509.load_pem_x509_csr(csr.encode())
    subject = request.subject
    if common_name is not None:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    authority = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Some authority")]))
        .public_key(key.public_key() if key else request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .sign(authority, hashes.SHA256())
    )
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    pem = certificate.public_bytes(Encoding.PEM).decode()
    return Issued(digest, f"arn:aws:iot:eu-west-1:123456789012:cert/{digest}", pem)


def request(common_name: str = "TestThing001") -> tuple[str, str]:
    """Return a CSR and the hash of its public key."""
    csr = keys.sign_request(keys.generate(KeyType.EC_P256), common_name)
    return csr, keys.spki_sha256(keys.public_key_of_csr(csr))


def fixed() -> tuple[Issued, str]:
    """Return an answer that is right, and the hash of its key."""
    csr, spki = request()
    return issue(csr), spki


FIXED = fixed()


@pytest.mark.parametrize("key_type", KeyType)
def test_each_key_type_is_what_its_name_says(tmp_path: Path, key_type: KeyType) -> None:
    """The key on disk, PKCS #8 and 0400, has the algorithm and size that were asked for."""
    receipt = keys.ensure_key(tmp_path / "a", "a", "a", key_type)
    path = tmp_path / "a" / "a.key"
    key = load_pem_private_key(path.read_bytes(), None)
    kind, bits = FACTS[key_type]
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    assert key.key_size == bits
    assert (key.curve.name if isinstance(key, ec.EllipticCurvePrivateKey) else "rsa") == kind
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert path.stat().st_mode & 0o777 == 0o400
    assert keys.spki_sha256(key.public_key()) == receipt.spki_sha256


@given(common_name=COMMON_NAMES)
@settings(max_examples=50)
def test_a_csr_carries_the_common_name_and_is_signed_with_sha512(common_name: str) -> None:
    """The subject is the common name and nothing else, the signature is valid and SHA-512."""
    csr = x509.load_pem_x509_csr(keys.sign_request(keys.generate(KeyType.EC_P256), common_name).encode())
    assert [(a.oid, a.value) for a in csr.subject] == [(NameOID.COMMON_NAME, common_name)]
    assert isinstance(csr.signature_hash_algorithm, hashes.SHA512)
    assert csr.is_signature_valid


def test_a_key_that_is_there_is_taken_up_and_not_made_again(tmp_path: Path) -> None:
    """A run that was killed after the key was written goes on with that very key."""
    first = keys.ensure_key(tmp_path / "a", "a", "a", KeyType.EC_P256)
    before = (tmp_path / "a" / "a.key").read_bytes()
    again = keys.ensure_key(tmp_path / "a", "a", "a", KeyType.EC_P256)
    assert (tmp_path / "a" / "a.key").read_bytes() == before
    assert again.spki_sha256 == first.spki_sha256


@pytest.mark.parametrize(
    "content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_key_file_that_is_no_key_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    """What nobody can have made in this run is neither used nor replaced, and its content is not told."""
    (tmp_path / "a").mkdir(mode=0o700)
    (tmp_path / "a" / "a.key").write_bytes(content)
    with pytest.raises(DeviceError) as caught:
        keys.ensure_key(tmp_path / "a", "a", "a", KeyType.EC_P256)
    assert caught.value.code == "StrangeKey"
    assert (tmp_path / "a" / "a.key").read_bytes() == content
    assert "AAAA" not in str(caught.value)


def test_a_key_that_cannot_sign_is_not_stored(tmp_path: Path) -> None:
    """What fails before there is a CSR leaves no key that the next run would find strange."""
    with pytest.raises(ValueError, match="length"):  # no X.509 common name is empty
        keys.ensure_key(tmp_path / "a", "a", "", KeyType.EC_P256)
    assert list((tmp_path / "a").iterdir()) == []


def test_a_key_of_another_type_is_not_used(tmp_path: Path) -> None:
    """A P-256 key in the folder of a run that makes P-384 keys is refused."""
    keys.ensure_key(tmp_path / "a", "a", "a", KeyType.EC_P256)
    with pytest.raises(DeviceError, match="ec-p384"):
        keys.ensure_key(tmp_path / "a", "a", "a", KeyType.EC_P384)


def test_a_certificate_that_fits_its_csr_passes() -> None:
    """Key, common name, validity and id as they should be: the certificate is taken, as one PEM block."""
    csr, spki = request()
    issued = issue(csr)
    certificate = inspect(issued, spki, "TestThing001", NOW)
    assert certificate.certificate_id == issued.certificate_id
    assert certificate.pem.count("-----BEGIN CERTIFICATE-----") == 1
    assert certificate.not_after == "2026-11-25T12:00:00Z"
    assert public_key_hash(certificate.pem) == spki


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("WrongKey", {"key": ec.generate_private_key(ec.SECP256R1())}),
        ("WrongCommonName", {"common_name": "TestThing002"}),
        ("NotValidNow", {"ends": NOW - timedelta(seconds=1)}),
        ("NotValidNow", {"begins": NOW + timedelta(minutes=6)}),
    ],
)
def test_a_certificate_that_does_not_fit_is_refused_by_name(code: str, wrong: dict[str, object]) -> None:
    """Another key, another name, or another time: each is refused with its own code."""
    csr, spki = request()
    with pytest.raises(DeviceError) as caught:
        inspect(issue(csr, **wrong), spki, "TestThing001", NOW)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.step) == (code, 5)


def test_a_clock_a_little_behind_refuses_nothing() -> None:
    """A certificate that begins a minute from now by the local clock is valid now by AWS's."""
    csr, spki = request()
    inspect(issue(csr, begins=NOW + timedelta(minutes=1)), spki, "TestThing001", NOW)


def test_an_id_that_is_not_the_digest_is_refused() -> None:
    """The id and the ARN must name the very certificate that was sent."""
    csr, spki = request()
    right, other = issue(csr), issue(csr)
    for issued in (
        Issued(other.certificate_id, right.certificate_arn, right.certificate_pem),
        Issued(right.certificate_id, other.certificate_arn, right.certificate_pem),
    ):
        with pytest.raises(DeviceError, match="SHA-256"):
            inspect(issued, spki, "TestThing001", NOW)


@given(st.data())
@settings(max_examples=100)
def test_no_damage_to_a_certificate_goes_unseen(data: st.DataObject) -> None:
    """Whatever is cut, doubled or changed in the PEM, it is refused, or it is still the same certificate."""
    issued, spki = FIXED
    pem = issued.certificate_pem
    at = data.draw(st.integers(0, len(pem) - 1))
    damaged = data.draw(
        st.sampled_from([pem[:at], pem[at:], pem + pem, pem[:at] + "!" + pem[at + 1 :], "", "\x1b[2J" + pem])
    )
    answer = Issued(issued.certificate_id, issued.certificate_arn, damaged)
    if damaged.strip() == pem.strip():
        assert inspect(answer, spki, "TestThing001", NOW).certificate_id == issued.certificate_id
    else:
        with pytest.raises(DeviceError):
            inspect(answer, spki, "TestThing001", NOW)
