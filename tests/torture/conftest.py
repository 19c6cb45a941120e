"""A scene of twelve devices, four of which keep their own keys, for the tests that need no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.torture.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MADE = [f"Made{number:02}" for number in range(8)]
OWN = [f"Own{number:02}" for number in range(4)]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Scene(tmp_path, MADE, OWN) as running:
        yield running
