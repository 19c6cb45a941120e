"""Workplaces for commands: with a double of AWS IoT, or with nothing at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.command import KEYS, Workplace
from tests.support.awsiot import DoubleThread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    """Without credentials."""
    return Workplace(tmp_path / "output")


@pytest.fixture
def double() -> Iterator[DoubleThread]:
    with DoubleThread() as running:
        yield running


@pytest.fixture
def account(tmp_path: Path, double: DoubleThread) -> Workplace:
    """With credentials for the double, which every AWS call goes to."""
    return Workplace(tmp_path / "output", KEYS | {"AWS_ENDPOINT_URL": double.url})
