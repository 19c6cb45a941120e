"""docs/scale.md: its tables are what its figures give."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from tests.project.sources import ROOT

if TYPE_CHECKING:
    from types import ModuleType

PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """docs/make_scale.py, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("make_scale", ROOT / "docs" / "make_scale.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_so_many_devices_take_is_worked_out(maker: ModuleType) -> None:
    """After a change of a figure the page has to be written again."""
    assert f"<!-- sizes -->\n{maker.sizes()}<!-- end of sizes -->" in PAGE


def test_what_cores_do_is_simulated(maker: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of the page are what the simulation says now, of which the smallest machines are looked at."""
    monkeypatch.setattr(maker, "CORES", (2, 8))
    head, rule, *rows = maker.rates().splitlines()
    for line in (head, rule, *rows):
        assert f"\n{line}\n" in PAGE
    assert len(rows) == 2
