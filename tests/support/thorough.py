"""Cases that are worth their time, but not at every run of the tests: ``make torture`` has them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["sampled"]


def sampled(cases: Iterable[Any], usual: Callable[[Any], bool]) -> list[Any]:
    """Return the parameters of a test, those that are not usual marked ``thorough``.

    Args:
        cases: A value, or a tuple of values, for each case.
        usual: Says of a case whether it is tried every time.
    """
    return [pytest.param(*_values(case), marks=() if usual(case) else pytest.mark.thorough) for case in cases]


def _values(case: Any) -> tuple[Any, ...]:  # noqa: ANN401  a case is whatever its test takes
    return case if isinstance(case, tuple) else (case,)
