"""The roots that a bundle has: Amazon's four, told from others by what they are and not by their names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pipeline.bundles.roots import amazon_roots
from pipeline.errors import ThingmillError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def _anew() -> Iterator[None]:
    """Have the roots looked for again, here and by whoever comes next."""
    amazon_roots.cache_clear()
    yield
    amazon_roots.cache_clear()


def test_the_roots_are_amazons_four() -> None:
    """The two in use come first, and each signed itself, is valid now, and has the name that AWS gives it."""
    found = x509.load_pem_x509_certificates(amazon_roots().encode("ascii"))
    names = [root.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value for root in found]
    assert names == [f"Amazon Root CA {number}" for number in (1, 3, 2, 4)]
    for root in found:
        root.verify_directly_issued_by(root)
        assert root.not_valid_before_utc < datetime.now(UTC) < root.not_valid_after_utc


@pytest.mark.usefixtures("_anew")
def test_another_root_of_the_same_name_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one of somebody else's stands in the place of a root there is no bundle."""
    roots = amazon_roots()
    first = x509.load_pem_x509_certificates(roots.encode("ascii"))[0]
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    builder = x509.CertificateBuilder(first.subject, first.subject, key.public_key(), first.serial_number)
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    forged = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode("ascii")
    genuine = first.public_bytes(Encoding.PEM).decode("ascii")
    assert genuine in roots
    bundle = tmp_path / "cacert.pem"
    bundle.write_text(roots.replace(genuine, forged), encoding="ascii")
    monkeypatch.setattr(certifi, "where", lambda: str(bundle))
    amazon_roots.cache_clear()
    with pytest.raises(ThingmillError, match="not all in this installation"):
        amazon_roots()
