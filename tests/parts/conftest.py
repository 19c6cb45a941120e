"""The command line in this process with a double of AWS IoT, and a mill."""

from __future__ import annotations

from tests.core.conftest import mill
from tests.foreign.conftest import stage

__all__ = ["mill", "stage"]
