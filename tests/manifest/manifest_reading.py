"""Short ways to write a manifest and to look at what became of it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ManifestError
from pipeline.manifest import load
from pipeline.settings import Defaults

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.device import Device

__all__ = ["devices_in", "devices_on_stdin", "faults_in", "faults_on_stdin", "write"]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def devices_in(path: Path | str, defaults: Defaults | None = None) -> list[Device]:
    with load(str(path), defaults or Defaults()) as roster:
        return list(roster.devices())


def devices_on_stdin(content: bytes) -> list[Device]:
    with load("-", Defaults(), stdin=io.BytesIO(content)) as roster:
        return list(roster.devices())


def faults_in(path: Path, defaults: Defaults | None = None) -> list[str]:
    """Return the faults as they are printed, without the folder of the file."""
    with pytest.raises(ManifestError) as caught:
        load(str(path), defaults or Defaults())
    return [str(fault).removeprefix(f"{path.parent}/") for fault in caught.value.faults]


def faults_on_stdin(content: bytes) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load("-", Defaults(), stdin=io.BytesIO(content))
    return [str(fault) for fault in caught.value.faults]
