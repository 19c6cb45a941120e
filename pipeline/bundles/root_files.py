"""The roots of an endpoint one by one, each under the name that its issuer publishes it by."""

from __future__ import annotations

import re
from functools import cache

from cryptography import x509
from cryptography.x509.oid import NameOID

__all__ = ["AMAZON_ROOT_CA_1", "ROOT_CA", "named", "one_file"]

AMAZON_ROOT_CA_1 = "AmazonRootCA1"
"""What AWS's guides and its console call the root of most endpoints, without a suffix."""

ROOT_CA = "root-ca"
"""What a root is called that is not Amazon's, as an emulator's is; the next one has -2 after it."""

_AMAZON = re.compile(r"Amazon Root CA [1-4]", re.ASCII)


@cache
def named(roots: str) -> tuple[tuple[str, x509.Certificate], ...]:
    """Return each root with the stem of its file, in their order, no two of one name.

    Amazon Trust Services publishes "Amazon Root CA 1" as ``AmazonRootCA1.pem``, and so on to 4.

    Args:
        roots: PEM, of one endpoint: the answer is kept for the next device.

    Raises:
        ValueError: They are no certificates.
    """
    found: dict[str, x509.Certificate] = {}
    others = 0
    for certificate in x509.load_pem_x509_certificates(roots.encode("ascii")):
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        stem = str(names[0].value).replace(" ", "") if names and _AMAZON.fullmatch(str(names[0].value)) else ""
        if not stem or stem in found:
            others += 1
            stem = ROOT_CA if others == 1 else f"{ROOT_CA}-{others}"
        found[stem] = certificate
    return tuple(found.items())


def one_file(roots: str) -> str:
    """Return the name of the one file that all roots stand in, for programs that take a single path.

    It is what AWS's guides call it, where Amazon Root CA 1 is among them.
    """
    amazons = any(stem == AMAZON_ROOT_CA_1 for stem, _ in named(roots))
    return f"{AMAZON_ROOT_CA_1 if amazons else ROOT_CA}.pem"
