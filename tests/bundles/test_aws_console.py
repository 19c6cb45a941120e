"""``aws-console``: the files are named as the console names them, and openssl reads each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.bundles import aws_console
from tests.bundles.devices import (
    KEY_TYPES,
    clear_key,
    emulated,
    encrypted,
    keeping_its_key,
    lay,
    parts_of,
    plain,
    tool,
)
from tests.support.tools import needs

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import KeyType

ROOTS = {f"AmazonRootCA{number}.pem" for number in (1, 2, 3, 4)}


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_openssl_reads_every_file(tmp_path: Path, key_type: KeyType) -> None:
    """Certificate, public key and private key belong together, and each root is the one its name says."""
    needs("openssl")
    parts = parts_of(key_type=key_type)
    number = parts.certificate.certificate_id
    folder = lay(tmp_path / "files", aws_console.contents(parts))
    own = {f"{number}-{kind}" for kind in ("certificate.pem.crt", "private.pem.key", "public.pem.key")}
    assert {path.name for path in folder.iterdir()} == own | ROOTS
    public = (folder / f"{number}-public.pem.key").read_bytes()
    assert tool("openssl", "pkey", "-in", f"{number}-private.pem.key", "-pubout", folder=folder) == public
    certificate = f"{number}-certificate.pem.crt"
    assert tool("openssl", "x509", "-in", certificate, "-noout", "-pubkey", folder=folder) == public
    for root in ROOTS:
        subject = tool("openssl", "x509", "-in", root, "-noout", "-subject", folder=folder).decode()
        assert subject.strip().endswith(f"CN = Amazon Root CA {root[-5]}")


def test_the_private_key_is_left_out_or_keeps_its_suffix() -> None:
    """A device that keeps its key has none here, and an encrypted one is named as what it is."""
    held = keeping_its_key()
    assert not any("private" in name for name in aws_console.contents(held))
    for suffix in (".age", ""):
        sealed = encrypted(parts_of(), suffix)
        name = f"{sealed.certificate.certificate_id}-private.pem.key{suffix}"
        assert plain(aws_console.contents(sealed))[name] == clear_key(sealed)


def test_an_emulators_root_has_no_name_of_amazons() -> None:
    """Roots that are not Amazon's are named apart."""
    names = set(aws_console.contents(parts_of(endpoint=emulated())))
    assert "root-ca.pem" in names
    assert not names & ROOTS
