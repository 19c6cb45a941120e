"""``pkcs12``: OpenSSL and GnuTLS open the file, with the password it was given and with no other."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipeline.bundles import pkcs12
from tests.bundles.devices import (
    AMAZON,
    KEY_TYPES,
    ODD_NAMES,
    clear_key,
    emulated,
    lay,
    parts_of,
    plain,
    tool,
)
from tests.support.tools import needs

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.bundles.parts import Parts
    from pipeline.settings import KeyType

PASSWORDS = ["", "correct horse", "Schlüssel-鍵", "x" * 200]


def opened(folder: Path, parts: Parts, *words: str) -> str:
    """Return what OpenSSL finds in the file, without its legacy provider."""
    password = b"" if parts.password is None else parts.password.reveal()
    file = f"./{parts.device.thing_name}.p12"
    command = ("openssl", "pkcs12", "-in", file, "-passin", "stdin", "-nodes", *words)
    return tool(*command, folder=folder, stdin=password + b"\n").decode()


def blocks(text: str) -> str:
    """Return the PEM of what OpenSSL printed, without the attributes around it."""
    inside, kept = False, []
    for line in text.splitlines(keepends=True):
        inside = inside or line.startswith("-----BEGIN")
        kept += [line] * inside
        inside = inside and not line.startswith("-----END")
    return "".join(kept)


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("password", PASSWORDS)
def test_openssl_finds_key_certificate_and_roots(tmp_path: Path, key_type: KeyType, password: str) -> None:
    """Each is byte for byte what the bundle has, whatever the password or without one."""
    needs("openssl")
    parts = parts_of(key_type=key_type, password=password)
    folder = lay(tmp_path / "files", pkcs12.contents(parts))
    assert blocks(opened(folder, parts, "-nocerts")).encode() == clear_key(parts)
    assert blocks(opened(folder, parts, "-nokeys", "-clcerts")) == parts.certificate.pem
    assert blocks(opened(folder, parts, "-nokeys", "-cacerts")) == AMAZON.roots
    assert (folder / "pump-001.p12").stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize("name", ODD_NAMES)
def test_the_friendly_name_is_the_things(tmp_path: Path, name: str) -> None:
    """Key and certificate are found by the thing's name, and a root by the name of its file."""
    needs("openssl")
    parts = parts_of(name, endpoint=emulated())
    folder = lay(tmp_path / "files", pkcs12.contents(parts))
    friendly = f"    friendlyName: {name}"
    assert opened(folder, parts, "-nocerts").splitlines().count(friendly) == 1
    assert opened(folder, parts, "-nokeys", "-clcerts").splitlines().count(friendly) == 1
    assert opened(folder, parts, "-nokeys", "-cacerts").splitlines().count("    friendlyName: root-ca") == 1


def test_gnutls_opens_it_too(tmp_path: Path) -> None:
    """A reader that shares no code with OpenSSL finds the same key and certificate under the same password."""
    needs("certtool", "openssl")
    parts = parts_of(password="correct horse")
    folder = lay(tmp_path / "files", pkcs12.contents(parts))
    command = ("certtool", "--p12-info", "--inder", "--infile", "pump-001.p12", "--password", "correct horse")
    told = blocks(tool(*command, folder=folder).decode())
    assert parts.certificate.pem in told
    # It prints the key encrypted with the same password again.
    (folder / "key.pem").write_text(told[told.index("-----BEGIN ENCRYPTED") :], encoding="ascii")
    opened_again = ("openssl", "pkey", "-in", "key.pem", "-passin", "pass:correct horse")
    assert tool(*opened_again, folder=folder) == clear_key(parts)


def test_it_is_encrypted_as_readers_of_ten_years_ago_can_read(tmp_path: Path) -> None:
    """Key and certificates are under AES-256 with PBKDF2, and the MAC is SHA-256: no RC2, no 3DES, no SHA-1."""
    needs("openssl")
    parts = parts_of(password="correct horse")
    folder = lay(tmp_path / "files", pkcs12.contents(parts))
    command = ("openssl", "pkcs12", "-in", "pump-001.p12", "-passin", "stdin", "-info", "-noout")
    told = subprocess.run(
        command, cwd=folder, input=b"correct horse", capture_output=True, check=True
    ).stderr.decode()
    assert told.count("PBES2, PBKDF2, AES-256-CBC, Iteration 20000, PRF hmacWithSHA256") == 2
    assert "MAC: sha256" in told


@pytest.mark.parametrize("wrong", ["", "correct hors", "correct horse\r"])
def test_no_other_password_opens_it(tmp_path: Path, wrong: str) -> None:
    """OpenSSL refuses the file under another password, and under none."""
    needs("openssl")
    folder = lay(tmp_path / "files", pkcs12.contents(parts_of(password="correct horse")))
    command = ("openssl", "pkcs12", "-in", "pump-001.p12", "-passin", f"pass:{wrong}", "-nodes")
    assert subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode != 0


def test_a_file_made_earlier_is_known_by_what_it_holds() -> None:
    """Salts differ each time, so a file counts as the same where the password opens it and all in it is equal."""
    parts, other = parts_of(password="correct horse"), parts_of(password="correct horse")
    made = plain(pkcs12.contents(parts))
    assert made != plain(pkcs12.contents(parts))
    assert pkcs12.matches(parts, made)
    assert not pkcs12.matches(other, made)
    assert not pkcs12.matches(replace(parts, endpoint=emulated()), made)
    assert not pkcs12.matches(replace(parts, certificate=other.certificate), made)
    assert not pkcs12.matches(replace(parts, key=other.key), made)
    assert not pkcs12.matches(replace(parts, password=None), made)
    assert not pkcs12.matches(parts, plain(pkcs12.contents(replace(parts, password=None))))
    assert not pkcs12.matches(parts, {"pump-001.p12": b"no such file"})
