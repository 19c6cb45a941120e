"""``der``: openssl reads each file as DER and finds in it what the PEM says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.bundles import der
from tests.bundles.devices import KEY_TYPES, clear_key, emulated, keeping_its_key, lay, parts_of, tool
from tests.support.tools import needs

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import KeyType


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_openssl_turns_each_file_back_into_its_pem(tmp_path: Path, key_type: KeyType) -> None:
    """Key, certificate and CSR come back byte for byte."""
    needs("openssl")
    parts = parts_of(key_type=key_type)
    folder = lay(tmp_path / "files", der.contents(parts))
    for what, file, pem in (
        ("pkey", "pump-001.key.der", clear_key(parts)),
        ("x509", "pump-001.cert.der", parts.certificate.pem.encode()),
        ("req", "pump-001.csr.der", parts.csr.encode()),
    ):
        assert tool("openssl", what, "-inform", "DER", "-in", file, folder=folder) == pem
    assert (folder / "pump-001.key.der").stat().st_mode & 0o777 == 0o400


def test_each_root_has_a_file(tmp_path: Path) -> None:
    """All the roots of the endpoint are there, one a file, as openssl sees them too."""
    needs("openssl")
    parts = parts_of()
    folder = lay(tmp_path / "files", der.contents(parts))
    found = [
        tool("openssl", "x509", "-inform", "DER", "-in", f"AmazonRootCA{number}.der", folder=folder).decode()
        for number in (1, 3, 2, 4)
    ]
    assert "".join(found) == parts.endpoint.roots
    assert {"root-ca.der"} == set(der.contents(parts_of(endpoint=emulated()))) - {
        f"pump-001.{kind}.der" for kind in ("key", "cert", "csr")
    }


def test_a_key_on_the_device_has_no_file() -> None:
    """The certificate and the CSR are there all the same."""
    names = set(der.contents(keeping_its_key(endpoint=emulated())))
    assert names == {"pump-001.cert.der", "pump-001.csr.der", "root-ca.der"}
