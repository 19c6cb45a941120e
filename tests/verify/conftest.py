"""Runs to verify: one that is made once and copied for each test that breaks something in it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline.verify import verification
from tests.core.mill import Mill
from tests.support.awsiot import AwsIotDouble
from tests.support.csrs import make_csr
from tests.verify.inspecting import NAMES, OWN, keys_of_the_double

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True, scope="session")
def _no_hardening_of_the_tests() -> Iterator[None]:
    """What a process does before it reads keys cannot be undone, and these tests are not the last in theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verification, "harden", lambda: None)
        yield


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run that nobody changes: three devices whose keys it made, one with its own key."""
    home = tmp_path_factory.mktemp("original")
    (home / "own.csr").write_text(make_csr(OWN).pem, encoding="ascii")
    rows = ["name,csr", *(f"{name}," for name in NAMES), f"{OWN},own.csr"]

    async def make() -> Path:
        async with AwsIotDouble() as double:
            mill = Mill(double, home)
            await mill.run("\n".join(rows) + "\n", suffix=".csv")
            return mill.folder.root

    with keys_of_the_double():
        return anyio.run(make)


@pytest.fixture
def mill(double: AwsIotDouble, tmp_path: Path, aws_keys: None) -> Mill:  # noqa: ARG001  a client wants keys
    """A mill that runs manifests against a double of AWS IoT."""
    return Mill(double, tmp_path)


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be broken."""
    copy = tmp_path / "output" / "run"
    shutil.copytree(original, copy)
    for folder, _, _ in os.walk(copy):
        Path(folder).chmod(0o700)
    return copy
