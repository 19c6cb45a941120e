"""A CSR that AWS IoT or the device could not use is refused before anything is submitted."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from asn1crypto.csr import CertificationRequest  # type: ignore[import-untyped]  # it has no types
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.x509.oid import AttributeOID

from pipeline.manifest import load
from pipeline.manifest.csr import CsrError, inspect_csr
from pipeline.settings import Defaults
from tests.manifest.manifest_reading import devices_in, faults_in, write
from tests.support.tools import needs

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

_P256 = ec.generate_private_key(ec.SECP256R1())
_RSA = rsa.generate_private_key(65537, 2048)
_SHORT_RSA = rsa.generate_private_key(65537, 1024)  # noqa: S505 - must be refused
_DSA = dsa.generate_private_key(1024)  # noqa: S505 - must be refused


def _csr(
    *names: str,
    key: CertificateIssuerPrivateKeyTypes = _P256,
    digest: hashes.SHA256 | hashes.SHA512 | hashes.SHA224 | None = hashes.SHA256(),  # noqa: B008 - immutable
) -> str:
    attributes = [x509.NameAttribute(x509.NameOID.COMMON_NAME, name) for name in names]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes)).sign(key, digest)
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _line(csr: str, **more: str) -> str:
    return json.dumps({"ThingName": "a", "CSR": csr} | more) + "\n"


def _reason(folder: Path, csr: str, **more: str) -> str:
    """Return the one fault of a manifest with this CSR, which stands at the CSR's value."""
    (fault,) = faults_in(write(folder, "m.jsonl", _line(csr, **more)))
    place, _, reason = fault.partition(": ")
    assert place == "m.jsonl:1:27"
    return reason


@pytest.mark.parametrize(
    "key",
    [
        _P256,
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-256", "P-384", "P-521", "RSA-2048"],
)
def test_keys_that_aws_takes(tmp_path: Path, key: CertificateIssuerPrivateKeyTypes) -> None:
    """A CSR of every kind of key that AWS IoT takes is taken unchanged."""
    csr = _csr("a", key=key, digest=hashes.SHA512())
    (device,) = devices_in(write(tmp_path, "m.jsonl", _line(csr)))
    assert device.csr == csr


@pytest.mark.parametrize(
    "respell",
    [
        lambda pem: pem.replace("\n", "\r\n"),
        lambda pem: pem.replace("\n", ""),
        lambda pem: pem.replace("\n", "\\n"),
        lambda pem: pem.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
        lambda pem: f"  {pem}\n\n",
    ],
)
def test_spellings(tmp_path: Path, respell: type[str]) -> None:
    """A CSR on one line, as bulk files have it, or with odd line ends comes out as plain PEM."""
    csr = _csr("a")
    (device,) = devices_in(write(tmp_path, "m.jsonl", _line(respell(csr))))
    assert device.csr == csr


def test_in_a_csv_cell(tmp_path: Path) -> None:
    """A quoted cell of a CSV holds a CSR with its line ends, and the rows after it keep their lines."""
    csr = _csr("a")
    first, second = devices_in(write(tmp_path, "m.csv", f'id,csr\na,"{csr}"\nb,\n'))
    assert first.csr == csr
    assert second.line == 3 + csr.count("\n")


def test_in_a_file(tmp_path: Path) -> None:
    """A CSR may be in a file, named relative to the manifest and not to where the command runs."""
    (tmp_path / "csrs").mkdir()
    csr = _csr("a")
    write(tmp_path / "csrs", "a.csr", csr)
    (device,) = devices_in(write(tmp_path, "m.csv", "id,csr\na,csrs/a.csr\n"))
    assert device.csr == csr
    (device,) = devices_in(write(tmp_path, "n.csv", f"id,csr\na,{tmp_path}/csrs/a.csr\n"))
    assert device.csr == csr


def test_files_that_are_none(tmp_path: Path) -> None:
    """What is no regular file is refused without blocking on it, and a large file is not read whole."""
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path, "large.csr", b"-" * 5000)
    write(tmp_path, "binary.csr", bytes(range(256)))
    reasons = {
        "pipe": "the CSR 'pipe' is not a regular file",
        ".": "the CSR '.' is not a regular file",
        "none.csr": "the CSR 'none.csr' cannot be read: No such file or directory",
        "nul\0": r"the CSR 'nul\x00' is neither PEM text nor the path of a file",
        "large.csr": "the CSR has more than 4,096 characters, which AWS IoT does not take",
        "binary.csr": "the CSR is not one PEM block that begins with -----BEGIN CERTIFICATE REQUEST-----",
    }
    assert {path: _reason(tmp_path, path) for path in reasons} == reasons


def test_common_names(tmp_path: Path) -> None:
    """The CSR's common name is the row's, or else the thing name; it is one and no other."""
    assert devices_in(write(tmp_path, "m.jsonl", _line(_csr("x"), cn="x")))[0].common_name == "x"
    assert _reason(tmp_path, _csr("b")) == (
        "the CSR's common name is 'b', but must be 'a'; if that is what the certificate shall say, give it as the "
        "row's common_name"
    )
    assert _reason(tmp_path, _csr("a"), cn="x").startswith("the CSR's common name is 'a', but must be 'x'")
    assert _reason(tmp_path, _csr("a", "b")) == (
        "the CSR has 2 common names, 'a' and 'b' among them; it must have one, 'a'"
    )
    assert _reason(tmp_path, _csr()) == "the CSR has no common name; it must be 'a'"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (_SHORT_RSA, "the CSR's key is RSA with 1024 bits; AWS IoT takes 2,048 and more"),
        (ec.generate_private_key(ec.SECP256K1()), "the CSR's key is on curve secp256k1; AWS IoT takes P-256"),
        (_DSA, "the CSR's key is neither RSA nor ECDSA; AWS IoT takes no other"),
    ],
)
def test_keys_that_aws_refuses(tmp_path: Path, key: CertificateIssuerPrivateKeyTypes, reason: str) -> None:
    """A key that AWS IoT refuses is refused here, by name."""
    assert _reason(tmp_path, _csr("a", key=key)).startswith(reason)


def test_signatures_that_aws_refuses(tmp_path: Path) -> None:
    """Only SHA-256 and its larger siblings are taken, and only with a key that has a hash at all."""
    assert _reason(tmp_path, _csr("a", digest=hashes.SHA224())).startswith("the CSR is signed with SHA224;")
    edwards = _csr("a", key=ed25519.Ed25519PrivateKey.generate(), digest=None)
    assert _reason(tmp_path, edwards).startswith("the CSR's key is neither RSA nor ECDSA")


@pytest.mark.parametrize("digest", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda it: it.name)
def test_rsa_pss_signatures(tmp_path: Path, digest: hashes.SHA256 | hashes.SHA384 | hashes.SHA512) -> None:
    """A plain RSA key may sign its request with RSASSA-PSS, and a changed request is noticed then too."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
    salted = padding.PSS(padding.MGF1(digest), digest.digest_size)
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(_RSA, digest, rsa_padding=salted)
    csr = request.public_bytes(serialization.Encoding.PEM).decode()
    assert devices_in(write(tmp_path, "m.jsonl", _line(csr)))[0].csr == csr
    der = request.public_bytes(serialization.Encoding.DER)
    assert _reason(tmp_path, _pem(der[:-1] + bytes([der[-1] ^ 1]))).startswith("the CSR's signature does not fit")


@pytest.mark.parametrize("exponent", [1, 2, 4, 65536])
def test_rsa_exponents(tmp_path: Path, exponent: int) -> None:
    """An RSA exponent that is even or 1, with which anybody could sign for the device, is refused."""
    assert _reason(tmp_path, _pem(_forged(exponent))).startswith("the CSR cannot be read")


def test_a_good_exponent_does_not_excuse_a_forged_signature(tmp_path: Path) -> None:
    """The same forgery with the usual exponent can be read, and is refused for its signature."""
    assert _reason(tmp_path, _pem(_forged(65537))).startswith("the CSR's signature does not fit its key")


@pytest.mark.parametrize(
    "options",
    [
        ("-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"),
        (
            "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"
        ),
    ],
    ids=["RSASSA-PSS alone", "curve by its parameters"],
)  # fmt: skip
def test_odd_spellings_of_keys(tmp_path: Path, options: tuple[str, ...]) -> None:
    """A key that is spelt in a way that AWS IoT does not list is refused, though cryptography can read it."""
    needs("openssl")
    key, csr = str(tmp_path / "key"), str(tmp_path / "csr")
    subprocess.run(["openssl", "genpkey", *options, "-out", key], check=True, capture_output=True)
    subprocess.run(["openssl", "req", "-new", "-key", key, "-subj", "/CN=a", "-out", csr], check=True)
    assert _reason(tmp_path, csr) == (
        "the CSR's key is neither a plain RSA key nor one on a named curve; AWS IoT takes no other"
    )


def test_trailing_data(tmp_path: Path) -> None:
    """Nothing may follow the request inside its PEM block."""
    der = x509.load_pem_x509_csr(_csr("a").encode()).public_bytes(serialization.Encoding.DER)
    assert _reason(tmp_path, _pem(der + b"\0")).startswith("the CSR cannot be read")


def test_what_else_a_request_may_hold(tmp_path: Path) -> None:
    """More names in the subject, asked-for extensions and a challenge password do no harm and stay as they are."""
    subject = [
        (x509.NameOID.COUNTRY_NAME, "DE"),
        (x509.NameOID.COMMON_NAME, "a"),
        (x509.NameOID.SERIAL_NUMBER, "7"),
    ]
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid, value) for oid, value in subject]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("b.example.net")]), critical=False)
        .add_attribute(AttributeOID.CHALLENGE_PASSWORD, b"unused")
        .sign(_P256, hashes.SHA256())
    )
    csr = request.public_bytes(serialization.Encoding.PEM).decode()
    (device,) = devices_in(write(tmp_path, "m.jsonl", _line(csr)))
    assert (device.csr, device.common_name) == (csr, "a")


def test_names_that_x509_does_not_allow(tmp_path: Path) -> None:
    """A subject with a country of three letters is a fault, and not a warning on somebody's terminal."""
    with pytest.warns(UserWarning, match="length"):
        too_long = x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "DEU", _validate=False)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a"), too_long])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(_P256, hashes.SHA256())
    csr = request.public_bytes(serialization.Encoding.PEM).decode()
    assert _reason(tmp_path, csr) == "the CSR's subject has an attribute of a length that X.509 does not allow"


def _pem(der: bytes) -> str:
    return (
        f"-----BEGIN CERTIFICATE REQUEST-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE REQUEST-----"
    )


def _forged(exponent: int) -> bytes:
    """Return a request with another RSA exponent, and a signature that anybody can make: it fits exponent 1."""
    request = CertificationRequest.load(
        x509.load_pem_x509_csr(_csr("a", key=_RSA).encode()).public_bytes(serialization.Encoding.DER)
    )
    info = request["certification_request_info"]
    spki = info["subject_pk_info"]
    spki["public_key"] = {"modulus": _RSA.public_key().public_numbers().n, "public_exponent": exponent}
    # EMSA-PKCS1-v1_5 (RFC 8017, section 9.2): raised to the power of 1 it stays what a verifier expects.
    digest = (
        bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(info.dump(force=True)).digest()
    )
    request["signature"] = b"\0\1" + b"\xff" * (256 - len(digest) - 3) + b"\0" + digest
    der: bytes = request.dump(force=True)
    return der


def test_damaged(tmp_path: Path) -> None:
    """A CSR of which one signed bit is wrong is refused, whichever bit it is, and never with another error."""
    request = x509.load_pem_x509_csr(_csr("a").encode())
    der = bytearray(request.public_bytes(serialization.Encoding.DER))
    signed = der.index(request.tbs_certrequest_bytes)
    for bit in range(8 * signed, 8 * (signed + len(request.tbs_certrequest_bytes))):
        der[bit // 8] ^= 1 << bit % 8
        body = base64.b64encode(der).decode()
        with pytest.raises(CsrError, match="CSR"):
            inspect_csr(
                f"-----BEGIN CERTIFICATE REQUEST-----{body}-----END CERTIFICATE REQUEST-----", tmp_path, "a"
            )
        der[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (_csr("a") + _csr("a"), "the CSR is not one PEM block"),
        (_csr("a").replace("REQUEST", "", 1), "the CSR is not one PEM block"),
        (_csr("a").replace("M", "!", 1), "the CSR's PEM block is not base64"),
        ("-----BEGIN CERTIFICATE REQUEST-----", "the CSR is not one PEM block"),
        ("-----BEGIN CERTIFICATE REQUEST-----AAAA-----END CERTIFICATE REQUEST-----", "the CSR cannot be read"),
        ("-----BEGIN " + "x" * 4096, "the CSR has more than 4,096 characters"),
    ],
    ids=["two", "another label", "no base64", "begun", "no DER", "too long"],
)
def test_not_a_csr(tmp_path: Path, text: str, reason: str) -> None:
    """What is not exactly one PEM block of a request is refused."""
    assert _reason(tmp_path, text).startswith(reason)


def test_private_key(tmp_path: Path) -> None:
    """A private key in place of a CSR is named as such, and not a character of it is shown."""
    pem = _P256.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    reason = _reason(tmp_path, pem)
    assert reason == "this is a private key, not a CSR; a private key has no place near a manifest"


def test_same_key_twice(tmp_path: Path) -> None:
    """Two CSRs with one key are a fault of the second, though the requests differ."""
    path = write(tmp_path, "m.jsonl", _line(_csr("a")) + _line(_csr("b"), ThingName="b"))
    assert faults_in(path) == [
        "m.jsonl:2:27: the CSR has the key of 'a' on line 1; each device needs its own",
    ]


def test_key_hash_in_the_roster(tmp_path: Path) -> None:
    """The roster keeps the SHA-256 of the key's SubjectPublicKeyInfo, by which a certificate is found again."""
    spki = _P256.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    with load(str(write(tmp_path, "m.jsonl", _line(_csr("a")))), Defaults()) as roster:
        ((found,),) = roster._connection.execute("SELECT spki FROM roster").fetchall()
    assert found == hashlib.sha256(spki).hexdigest()


def test_cryptography_is_loaded_late(tmp_path: Path) -> None:
    """A manifest without a CSR is read without loading cryptography, which takes longer than the reading."""
    path = write(tmp_path, "m.csv", "id,csr\na,\n")
    program = (
        "import sys; from pipeline.manifest import load; from pipeline.settings import Defaults; "
        f"load({str(path)!r}, Defaults()).close(); sys.exit('cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
