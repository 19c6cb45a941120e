"""The command line in this process, in a folder with runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.foreign.stage import Desk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A folder whose output has two runs, one that is none, and some that no shell should be told of."""
    # Restored afterwards, whatever the command line makes of it.
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("line-7", "line-8", "a b", "$(touch pwned)", "esc\x1b]52;c;x\x07", "-rf", "new\nline", "*"):
        run = tmp_path / "output" / name
        run.mkdir(parents=True)
        (run / "ledger.db").touch()
    (tmp_path / "output" / "line-9").mkdir()
    (tmp_path / "elsewhere" / "demo").mkdir(parents=True)
    (tmp_path / "elsewhere" / "demo" / "ledger.db").touch()
    return Desk(tmp_path, monkeypatch)
