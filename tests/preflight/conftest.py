"""A mill, and what a run says before its first device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.core.mill import Mill

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.awsiot import AwsIotDouble


@pytest.fixture
def mill(double: AwsIotDouble, tmp_path: Path, aws_keys: None) -> Mill:  # noqa: ARG001  a client wants keys
    return Mill(double, tmp_path)
