"""A finished run to export, formats to export it in, and the command line to do so."""

from __future__ import annotations

import importlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from pipeline import export
from pipeline.aws import caller
from pipeline.bucket import place
from pipeline.bundles.formats import FORMATS, Format
from pipeline.cli.app import app
from pipeline.secret import Secret
from tests.export.storing import Store
from tests.verify.conftest import original, root

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline.bundles.parts import Contents, Parts

__all__ = ["Exporting", "original", "root"]


@pytest.fixture(autouse=True, scope="session")
def _no_hardening_of_the_tests() -> Iterator[None]:
    """What a process does before it reads keys cannot be undone, and these tests are not the last in theirs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "harden", lambda: None)
        yield


@dataclass(frozen=True)
class Exporting:
    """The command line, in this process, so that it has the formats of the test.

    Attributes:
        root: The run's folder.
    """

    root: Path

    def __call__(self, *arguments: str, expect: int = 0) -> str:
        """Export the run, check the exit code, and return what was said."""
        importlib.import_module("pipeline.cli.export")
        importlib.import_module("pipeline.cli.check")  # with two commands each has its name
        result = CliRunner().invoke(app, ["export", str(self.root), *arguments])
        assert result.exit_code == expect, f"exit code {result.exit_code}\n{result.output}"
        return result.output


@pytest.fixture
def exporting(root: Path) -> Exporting:
    return Exporting(root)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store in the place of S3, for which nobody waits."""
    made = Store()
    monkeypatch.setattr(place, "open_storage", made.opened)
    monkeypatch.setattr(caller, "FIRST_PAUSE_SECONDS", 0.0)
    return made


def _roll(parts: Parts) -> Contents:
    name = parts.device.thing_name
    where = f"{parts.endpoint.host}:{parts.endpoint.port}\n{parts.certificate.pem}{parts.endpoint.roots}"
    rolled: dict[str, bytes | Secret] = {f"{name}.roll": where.encode("ascii")}
    if parts.key is not None:
        rolled[f"{name}.rolled-key"] = Secret(parts.key.data.reveal()[::-1])
    return rolled


def _salted(parts: Parts) -> Contents:
    return {"salted": Secret(parts.certificate.pem.encode("ascii") + secrets.token_bytes(8))}


def _is_salted(parts: Parts, found: Mapping[str, bytes]) -> bool:
    return found["salted"].startswith(parts.certificate.pem.encode("ascii"))


@pytest.fixture(autouse=True)
def _formats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a format with a public and a secret file, and one that needs a key and is other bytes each time."""
    monkeypatch.setitem(FORMATS, "roll", Format(_roll, "a test"))
    monkeypatch.setitem(FORMATS, "salted", Format(_salted, "a test", needs_key=True, matches=_is_salted))
