"""The listings by name. A new one is a module beside this one, one line here, and its name in ``names``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.bundles.bulk_results import BULK_RESULTS
from pipeline.bundles.mass_mfg import MASS_MFG, MASS_MFG_CSR

if TYPE_CHECKING:
    from pipeline.bundles.listing import Listing

__all__ = ["LISTINGS"]

LISTINGS: dict[str, Listing] = {
    "bulk-results": BULK_RESULTS,
    "mass-mfg": MASS_MFG,
    "mass-mfg-csr": MASS_MFG_CSR,
}
"""By name."""
