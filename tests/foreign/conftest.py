"""The command line in this process, alone or with a double of AWS IoT."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.foreign.stage import Desk, Stage
from tests.support.awsiot import DoubleThread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with DoubleThread() as double:
        yield Stage(tmp_path, double, monkeypatch)
