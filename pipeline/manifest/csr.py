"""A manifest's CSR, of a device that keeps its own key, checked before any device is submitted.

Rules: RFC 2986 for the request, RFC 7468 for its PEM, and for size, keys and signatures the AWS IoT API reference
(CreateCertificateFromCsr) and Developer Guide (certificate signing algorithms: SHA-256, SHA-384 and SHA-512, with
RSA, RSASSA-PSS or ECDSA). An RSA exponent that is even or below 3 is no key to ``cryptography`` either.

Attributes of the request, the extensions it asks for among them, are not looked at: AWS IoT copies the subject
alone into a certificate.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import stat
import warnings
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.manifest.names import quoted

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CsrError", "SigningRequest", "inspect_csr", "inspect_csr_file"]

_LIMIT = 4096
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_HASHES = ("sha256", "sha384", "sha512")
_BLOCK = re.compile(
    r"-----BEGIN (?P<label>(?:NEW )?CERTIFICATE REQUEST)-----(?P<body>.*)-----END (?P=label)-----", re.DOTALL
)


class CsrError(Exception):
    """Why a CSR cannot be used, as a sentence."""


class SigningRequest(NamedTuple):
    """A CSR that passed.

    Attributes:
        pem: The request as PEM with lines of 64 characters, whatever way it was written.
        spki_sha256: Hex SHA-256 of the DER SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
    """

    pem: str
    spki_sha256: str


def inspect_csr(cell: str, folder: Path, common_name: str) -> SigningRequest:
    """Check the CSR that a cell holds or names.

    Args:
        cell: PEM text, also on one line as bulk registration files have it, or the path of a file that holds it.
        folder: What a relative path is relative to.
        common_name: The common name that the certificate must carry, so the request too.

    Raises:
        CsrError: It cannot be used.
    """
    return _inspect(cell if cell.lstrip().startswith("-----BEGIN") else _read(folder / cell, cell), common_name)


def inspect_csr_file(path: Path, common_name: str) -> SigningRequest:
    """Check the CSR in a file that is named after its thing.

    Args:
        path: The file.
        common_name: As for ``inspect_csr``.

    Raises:
        CsrError: It cannot be used.
    """
    return _inspect(_read(path, path.name), common_name)


def _inspect(text: str, common_name: str) -> SigningRequest:
    try:
        request = x509.load_der_x509_csr(_der(text))
        spki = _checked_key(request)
        _check_signature(request)
        _check_subject(request, common_name)
    except (ValueError, TypeError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise CsrError("the CSR cannot be read: it is no PKCS#10 request that cryptography knows") from error
    pem = request.public_bytes(Encoding.PEM).decode()
    _check_size(pem)
    return SigningRequest(pem, hashlib.sha256(spki).hexdigest())


def _read(path: Path, shown: str) -> str:
    """Read a CSR's file: never a device or a pipe, which could block, and never more than a CSR can have."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise CsrError(f"the CSR {quoted(shown)} is not a regular file")
            content = os.read(descriptor, 2 * _LIMIT)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise CsrError(f"the CSR {quoted(shown)} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise CsrError(f"the CSR {quoted(shown)} is neither PEM text nor the path of a file") from error
    return content.decode("ascii", errors="replace")


def _der(text: str) -> bytes:
    """Return the DER of the one PEM block that the text must be."""
    _check_size(text)
    text = text.replace("\\n", "\n").strip()  # some exports write the line ends out
    if "PRIVATE KEY-----" in text:
        raise CsrError("this is a private key, not a CSR; a private key has no place near a manifest")
    block = _BLOCK.fullmatch(text)
    if block is None or "-----" in block["body"]:
        raise CsrError("the CSR is not one PEM block that begins with -----BEGIN CERTIFICATE REQUEST-----")
    try:
        return base64.b64decode("".join(block["body"].split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CsrError("the CSR's PEM block is not base64") from error


def _check_size(text: str) -> None:
    if len(text) > _LIMIT:
        raise CsrError(f"the CSR has more than {_LIMIT:,} characters, which AWS IoT does not take")


def _checked_key(request: x509.CertificateSigningRequest) -> bytes:
    """Return the DER SubjectPublicKeyInfo of a key that AWS IoT takes."""
    key = request.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < 2048:
            raise CsrError(f"the CSR's key is RSA with {key.key_size} bits; AWS IoT takes 2,048 and more")
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            raise CsrError(f"the CSR's key is on curve {key.curve.name}; AWS IoT takes P-256, P-384 and P-521")
    else:
        raise CsrError("the CSR's key is neither RSA nor ECDSA; AWS IoT takes no other")
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if spki not in request.tbs_certrequest_bytes:
        # A curve by its parameters, which RFC 5480, section 2.1.1, forbids; or an RSA key for RSASSA-PSS alone
        # (RFC 4055, section 1.2). The hash of such a key is not that of the same key in its usual form.
        raise CsrError("the CSR's key is neither a plain RSA key nor one on a named curve; AWS IoT takes no other")
    return spki


def _check_signature(request: x509.CertificateSigningRequest) -> None:
    algorithm = request.signature_hash_algorithm
    if algorithm is None or algorithm.name not in _HASHES:
        shown = "no hash" if algorithm is None else algorithm.name.upper()
        raise CsrError(f"the CSR is signed with {shown}; AWS IoT takes SHA-256, SHA-384 and SHA-512")
    if not request.is_signature_valid:
        raise CsrError("the CSR's signature does not fit its key: the request was damaged or changed")


def _check_subject(request: x509.CertificateSigningRequest, common_name: str) -> None:
    with warnings.catch_warnings():
        # cryptography only warns, on standard error, of attributes that X.520 finds too long or too short.
        warnings.simplefilter("error", UserWarning)
        try:
            names = request.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        except UserWarning as error:
            raise CsrError("the CSR's subject has an attribute of a length that X.509 does not allow") from error
    found = [name.value if isinstance(name.value, str) else "" for name in names]
    if not found:
        raise CsrError(f"the CSR has no common name; it must be {quoted(common_name)}")
    if len(found) == 1 and found != [common_name]:
        raise CsrError(
            f"the CSR's common name is {quoted(found[0])}, but must be {quoted(common_name)}; "
            "if that is what the certificate shall say, give it as the row's common_name"
        )
    if found != [common_name]:
        raise CsrError(
            f"the CSR has {len(found)} common names, {' and '.join(map(quoted, found[:2]))} among them; "
            f"it must have one, {quoted(common_name)}"
        )
