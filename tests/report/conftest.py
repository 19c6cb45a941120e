"""The page of one run, for all tests that read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.report import REPORT_HTML
from tests.report.pages import lively

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with failures, a device left alone, throttles, and a process that went on."""
    return lively(tmp_path_factory.mktemp("pages") / "line-7")


@pytest.fixture(scope="session")
def page(folder: Path) -> str:
    """Its page."""
    return (folder / REPORT_HTML).read_text(encoding="utf-8")
