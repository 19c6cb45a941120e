"""Runs against a double, and identities of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.verify import verification
from tests.core.mill import Mill
from tests.sealing.holders import age_holder, ssh_holder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sealing.holders import Holder
    from tests.support.awsiot import AwsIotDouble

pytest.importorskip("pyrage", reason="needs the extra `encrypt`")


@pytest.fixture(autouse=True, scope="package")
def _no_hardening_of_the_tests() -> Iterator[None]:
    """What a process does before it reads keys cannot be undone, and these tests are not the last in theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verification, "harden", lambda: None)
        yield


@pytest.fixture(scope="package")
def holders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Holder]:
    """Somebody with an identity of each kind, by its name."""
    home = tmp_path_factory.mktemp("holders")
    return {"x25519": age_holder(home), "ed25519": ssh_holder(home, "ed25519"), "rsa": ssh_holder(home, "rsa")}


@pytest.fixture
def holder(holders: dict[str, Holder]) -> Holder:
    """Somebody with an age identity."""
    return holders["x25519"]


@pytest.fixture
def mill(double: AwsIotDouble, tmp_path: Path, aws_keys: None) -> Mill:  # noqa: ARG001  a client wants keys
    """A mill that runs manifests against a double of AWS IoT."""
    return Mill(double, tmp_path)
