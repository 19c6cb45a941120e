"""Those who can open sealed keys, and what is looked for where no key may be in clear."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyrage
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from pipeline.keys import spki_sha256

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Holder", "age_holder", "clear_parts", "spki_of", "ssh_holder"]


@dataclass(frozen=True)
class Holder:
    """Somebody who can open keys: the file of an identity, and the recipient that belongs to it."""

    identity: Path
    recipient: str

    def open(self, sealed: Path) -> bytes:
        """Return what Debian's age makes of a sealed file."""
        command = ["age", "--decrypt", "--identity", str(self.identity), str(sealed)]
        return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


def age_holder(home: Path, name: str = "age") -> Holder:
    """Return somebody with a file as age-keygen writes it."""
    identity = pyrage.x25519.Identity.generate()
    recipient = str(identity.to_public())
    path = home / f"{name}.txt"
    path.write_text(f"# created by a test\n# public key: {recipient}\n{identity}\n", encoding="ascii")
    path.chmod(0o600)
    return Holder(path, recipient)


def ssh_holder(home: Path, kind: str) -> Holder:
    """Return somebody with an SSH key, ``ed25519`` or ``rsa``."""
    made = ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else rsa.generate_private_key(65_537, 2048)
    path = home / f"id_{kind}"
    path.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    path.chmod(0o600)
    public = made.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return Holder(path, f"{public.decode()} somebody@somewhere")


def spki_of(pem: bytes) -> str:
    """Return the hash of the public key of a key in clear."""
    return spki_sha256(load_pem_private_key(pem, None).public_key())


def clear_parts(pem: bytes) -> list[bytes]:
    """Return what must be found nowhere: a key's marker, its lines, its DER, and its secret number."""
    lines = pem.splitlines()
    key = load_pem_private_key(pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    secret = key.private_numbers().private_value.to_bytes(32)
    return [lines[0], *lines[1:-1], base64.b64decode(b"".join(lines[1:-1])), secret, secret.hex().encode()]
