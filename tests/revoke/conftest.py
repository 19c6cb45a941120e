"""A mill that runs manifests against a double of AWS IoT, as in ``tests.core``."""

from __future__ import annotations

from tests.core.conftest import mill

__all__ = ["mill"]
