"""Foreign programs that tests hold thingmill against, and what becomes of a test where one is missing."""

from __future__ import annotations

import os
import shutil

import pytest

__all__ = ["REQUIRE", "needs"]

REQUIRE = "THINGMILL_REQUIRE_TOOLS"
"""Set where every program is expected to be there: a test that lacks one fails then, and is not skipped."""


def needs(*programs: str) -> None:
    """Let a test go on only where these programs are found on ``PATH``; called in a test or fixture.

    Raises:
        pytest.skip.Exception: One is missing.
        pytest.fail.Exception: One is missing, and ``THINGMILL_REQUIRE_TOOLS`` is set.
    """
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing:
        return
    reason = f"needs {' and '.join(missing)}"
    if os.environ.get(REQUIRE):
        pytest.fail(f"{reason}, and {REQUIRE} is set", pytrace=False)
    pytest.skip(reason)
