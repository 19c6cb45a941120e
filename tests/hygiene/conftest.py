"""A workshop with a double of AWS IoT at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hygiene.workshop import POLICY, Workshop
from tests.support.awsiot import DoubleThread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def double() -> Iterator[DoubleThread]:
    with DoubleThread() as running:
        running.run(
            lambda double: double.account.create_policy(POLICY, '{"Version": "2012-10-17", "Statement": []}')
        )
        yield running


@pytest.fixture
def workshop(tmp_path: Path, double: DoubleThread) -> Workshop:
    shop = Workshop(tmp_path, double.url)
    shop.manifest("one\ntwo\n")
    return shop
