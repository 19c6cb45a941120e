"""One look at all that is printed, which every test here shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline import export
from pipeline.verify import verification
from tests.foreign.stage import Stage
from tests.published.streams import streams
from tests.support.awsiot import DoubleThread

if TYPE_CHECKING:
    from tests.published.streams import Stream


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stream]:
    """What the commands printed, by what was the matter."""
    with DoubleThread() as double, pytest.MonkeyPatch.context() as patch:
        # What a process does before it reads keys cannot be undone, and these tests are not the last in theirs.
        patch.setattr(verification, "harden", lambda: None)
        patch.setattr(export, "harden", lambda: None)
        return streams(Stage(tmp_path_factory.mktemp("told"), double, patch))
