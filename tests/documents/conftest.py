"""What stands for AWS, once for all documents of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.documents.cloud import cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.documents.cloud import Cloud


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The embedded AWS IoT behind its door."""
    pytest.importorskip("ministack", reason="needs the extra `local`")
    with cloud(tmp_path_factory.mktemp("aws")) as running:
        yield running
