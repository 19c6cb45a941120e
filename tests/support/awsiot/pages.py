"""Cutting a listing into pages with an opaque token that stays right while entries come and go."""

from __future__ import annotations

import base64
import binascii
from itertools import dropwhile, islice
from typing import TYPE_CHECKING, TypeVar

from tests.support.awsiot.limits import PAGE, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["page"]

T = TypeVar("T")


def page(
    entries: Iterable[T],
    key: Callable[[T], str],
    token: str | None,
    size: int = PAGE,
    *,
    descending: bool = False,
) -> tuple[list[T], str | None]:
    """Return one page of ``entries`` and the token of the next one, or None at the end.

    Args:
        entries: All of them, sorted by ``key``.
        key: What no two entries share. A token holds that of the last entry shown.
        token: What an earlier page returned, or None for the first.
        size: 1 to 250.
        descending: The entries are sorted from the greatest key down.

    Raises:
        AwsError: The size or the token is not valid.
    """
    if not 1 <= size <= PAGE:
        invalid(f"the page size must be 1 to {PAGE}, not {size}")
    rest = iter(entries)
    if token is not None:
        last = _decode(token)
        rest = dropwhile(lambda entry: key(entry) >= last if descending else key(entry) <= last, rest)
    taken = list(islice(rest, size + 1))
    if len(taken) <= size:
        return taken, None
    shown = taken[:size]
    return shown, base64.urlsafe_b64encode(key(shown[-1]).encode()).decode()


def _decode(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        invalid("the page token is not valid")
