"""A test that needs a missing program is skipped, or fails where it was promised to be there."""

from __future__ import annotations

import pytest

from tests.support.tools import REQUIRE, needs

ABSENT = "thingmill-no-such-program"


def test_what_is_there_is_no_hindrance(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test whose programs are there goes on, whether or not they are required."""
    needs("sh")
    monkeypatch.setenv(REQUIRE, "1")
    needs("sh")


def test_a_missing_program_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a program is missing, the test is skipped for a reason that names it."""
    monkeypatch.delenv(REQUIRE, raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"needs {ABSENT}$"):
        needs("sh", ABSENT)


def test_a_missing_program_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where programs are required, a missing one is a failure: a proof is never left out in silence."""
    monkeypatch.setenv(REQUIRE, "1")
    with pytest.raises(pytest.fail.Exception, match=ABSENT):
        needs("sh", ABSENT)
