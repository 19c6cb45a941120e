"""A SoftHSM2 token that stands for the secure elements of a line: its keys sign, and never leave it.

Keys are made inside the token, sensitive and not extractable (PKCS #11, section 4.9). A CSR is built here and
signed there: ``cryptography`` takes any object of its key types, so a handle into the token passes for a key.
"""

from __future__ import annotations

import hashlib
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self, cast
from urllib.parse import quote

import pkcs11
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import NameOID
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

__all__ = ["SoftHsm", "softhsm"]

_LABEL, _PIN, _ADMIN_PIN = "line-7", "1234", "5678"
_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",  # Debian, Ubuntu
    "/usr/lib64/pkcs11/libsofthsm2.so",  # Fedora
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)


@dataclass(frozen=True)
class SoftHsm:
    """A token of this test's own, logged in.

    Attributes:
        module: The PKCS #11 library.
        environment: What another program needs to find the token.
        session: To make and use keys.
    """

    module: str
    environment: dict[str, str]
    session: pkcs11.Session

    def csr(self, thing_name: str, key_type: str) -> str:
        """Make a key pair in the token under the thing's name, and return a CSR that it signed, as PEM."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, thing_name)])
        key = _TokenRsa(*self._rsa(thing_name)) if key_type == "rsa-2048" else _TokenP256(*self._p256(thing_name))
        builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
        request = builder.sign(cast("CertificateIssuerPrivateKeyTypes", key), hashes.SHA256())
        return request.public_bytes(serialization.Encoding.PEM).decode()

    def private_key(self, thing_name: str) -> pkcs11.PrivateKey:
        """Return the token's handle to a thing's key."""
        key = self.session.get_key(label=thing_name, object_class=pkcs11.ObjectClass.PRIVATE_KEY)
        return cast("pkcs11.PrivateKey", key)

    def url(self, thing_name: str) -> str:
        """Return where a thing's key is, as other programs take it (RFC 7512)."""
        return f"pkcs11:token={_LABEL};object={quote(thing_name)};type=private?pin-value={_PIN}"

    def _p256(self, label: str) -> tuple[pkcs11.PublicKey, pkcs11.PrivateKey]:
        curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        parameters = self.session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
        return parameters.generate_keypair(label=label, store=True, private_template=_KEPT)

    def _rsa(self, label: str) -> tuple[pkcs11.PublicKey, pkcs11.PrivateKey]:
        return self.session.generate_keypair(
            pkcs11.KeyType.RSA, 2048, label=label, store=True, private_template=_KEPT
        )


_KEPT = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}


@contextmanager
def softhsm(folder: Path) -> Iterator[SoftHsm]:
    """Make a token below a folder, and let go of it at the end.

    Args:
        folder: Empty; the token's files are kept in it.
    """
    module = next((path for path in _MODULES if Path(path).exists()), None)
    assert module is not None, "softhsm2-util is there, but its library is in none of the usual places"
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    environment = {"SOFTHSM2_CONF": str(configuration)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(configuration))
        words = ["--init-token", "--free", "--label", _LABEL, "--pin", _PIN, "--so-pin", _ADMIN_PIN]
        subprocess.run(["softhsm2-util", *words], check=True, capture_output=True)
        token = pkcs11.lib(module).get_token(token_label=_LABEL)
        with token.open(rw=True, user_pin=_PIN) as session:
            yield SoftHsm(module, environment, session)


class _Handle:
    """What every private key can be asked for and a token never gives."""

    def __init__(self, public: pkcs11.PublicKey, private: pkcs11.PrivateKey) -> None:
        self._public = public
        self._private = cast("pkcs11.SignMixin", private)

    def private_numbers(self) -> NoReturn:
        raise NotImplementedError("a token's key never leaves it")

    def private_bytes(self, *_: object) -> NoReturn:
        raise NotImplementedError("a token's key never leaves it")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self


class _TokenP256(_Handle, ec.EllipticCurvePrivateKey):
    curve = ec.SECP256R1()
    key_size = 256

    def exchange(self, *_: object) -> NoReturn:
        raise NotImplementedError("this key signs")

    def public_key(self) -> ec.EllipticCurvePublicKey:
        public = serialization.load_der_public_key(encode_ec_public_key(self._public))
        assert isinstance(public, ec.EllipticCurvePublicKey)
        return public

    def sign(self, data: object, _: object) -> bytes:
        """Return the DER signature (RFC 3279) of what the token gives as r and s, 32 bytes each."""
        digest = hashlib.sha256(cast("bytes", data)).digest()
        raw = self._private.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)
        return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))


class _TokenRsa(_Handle, rsa.RSAPrivateKey):
    key_size = 2048

    def decrypt(self, *_: object) -> NoReturn:
        raise NotImplementedError("this key signs")

    def public_key(self) -> rsa.RSAPublicKey:
        numbers = (self._public[it] for it in (pkcs11.Attribute.PUBLIC_EXPONENT, pkcs11.Attribute.MODULUS))
        return rsa.RSAPublicNumbers(*(int.from_bytes(number, "big") for number in numbers)).public_key()

    def sign(self, data: object, *_: object) -> bytes:
        return self._private.sign(cast("bytes", data), mechanism=pkcs11.Mechanism.SHA256_RSA_PKCS)
