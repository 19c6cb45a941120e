"""The roots that a device needs to trust its endpoint.

An endpoint of type ``iot:Data-ATS`` presents a certificate that chains to an Amazon root. Amazon Root CA 1 (RSA)
and 3 (P-256) are in use, 2 and 4 are in reserve; AWS asks devices to trust all four (IoT Developer Guide, "Server
authentication"). They come from ``certifi`` and are chosen by the SHA-256 of their DER, never by name.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

import certifi

from pipeline.errors import ThingmillError

__all__ = ["amazon_roots"]

_FINGERPRINTS = (
    "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",  # Amazon Root CA 1
    "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",  # Amazon Root CA 3
    "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",  # Amazon Root CA 2
    "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",  # Amazon Root CA 4
)

_PEM = re.compile("-----BEGIN CERTIFICATE-----\n(.*?)-----END CERTIFICATE-----\n", re.DOTALL)


@cache
def amazon_roots() -> str:
    """Return the four Amazon roots as PEM, the two in use first.

    Raises:
        ThingmillError: This installation's certifi lacks one.
    """
    found: dict[str, str] = {}
    for block in _PEM.finditer(Path(certifi.where()).read_text(encoding="ascii", errors="replace")):
        digest = hashlib.sha256(base64.b64decode(block.group(1))).hexdigest()
        if digest in _FINGERPRINTS:
            found[digest] = block.group(0)
    if len(found) < len(_FINGERPRINTS):
        raise ThingmillError(
            "the Amazon root certificates are not all in this installation's certifi",
            advice="install a current certifi (pip install -U certifi)",
        )
    return "".join(found[digest] for digest in _FINGERPRINTS)
