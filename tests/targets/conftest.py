"""Two accounts and a desk."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support.awsiot import AwsIotDouble, DoubleThread
from tests.targets.plant import REGIONS, Plant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    with ExitStack() as stack:
        doubles = {
            name: stack.enter_context(DoubleThread(AwsIotDouble(region=region)))
            for name, region in REGIONS.items()
        }
        yield Plant(tmp_path, doubles, monkeypatch)
