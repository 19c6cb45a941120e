"""The names of all formats and listings, for a command line that answers before it loads what makes them.

A test holds them against ``formats.FORMATS`` and ``listings.LISTINGS``.
"""

from __future__ import annotations

__all__ = ["FORMAT_NAMES", "LISTING_NAMES"]

FORMAT_NAMES = (
    "pem",
    "aws-console",
    "greengrass",
    "device-client",
    "pkcs12",
    "der",
    "esp-nvs",
    "esp-secure-cert",
    "c-header",
    "tar",
    "zip",
)
LISTING_NAMES = ("bulk-results", "mass-mfg", "mass-mfg-csr")
