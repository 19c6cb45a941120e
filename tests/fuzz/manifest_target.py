"""The manifest reader under any bytes, and what must hold of what it makes of them.

* It ends in a roster, or in a ``ManifestError`` or ``UsageError``; nothing else is raised.
* Each fault is in the file, and on a line and at a column that it has; its sentence is printable and short.
* Each device keeps the rules of AWS IoT's names, so whatever it is called is printable too.
* The same bytes give the same again.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, NamedTuple

from pipeline.device import Device
from pipeline.errors import ManifestError, UsageError
from pipeline.manifest import load, run_settings
from pipeline.settings import Defaults
from tests.foreign.hostile import acting_in

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.manifest import Fault
    from tests.fuzz.mutations import Input

__all__ = ["Outcome", "examine"]

_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_LONGEST = 12_000


class Outcome(NamedTuple):
    """What became of an input.

    Attributes:
        devices: The devices, as their JSON; none where there are faults.
        faults: The first faults, as they are printed.
        total: How many faults there are.
        refused: Why the manifest was not read at all, or "".
    """

    devices: tuple[str, ...]
    faults: tuple[str, ...]
    total: int
    refused: str


def examine(made: Input, folder: Path, *, twice: bool = True) -> Outcome:
    """Read an input and hold the outcome against what must be.

    Args:
        made: The input.
        folder: An empty folder, where it is written.
        twice: Read it a second time and compare.

    Raises:
        AssertionError: Something does not hold.
    """
    outcome = _outcome(made, folder)
    if twice:
        assert outcome == _outcome(made, folder)
    return outcome


def _outcome(made: Input, folder: Path) -> Outcome:
    path = folder / f"m{made.suffix}"
    path.write_bytes(made.content)
    manifest = "-" if made.suffix == "-" else str(path)
    try:
        run_settings(manifest)
        with load(manifest, Defaults(), stdin=io.BytesIO(made.content)) as roster:
            devices = list(roster.devices())
            assert devices
            assert len(roster) == len(devices)
    except ManifestError as error:
        _check_faults(error, manifest, made.content)
        return Outcome((), tuple(map(str, error.faults)), error.total, "")
    except UsageError as error:
        _check_refusal(error)
        return Outcome((), (), 0, error.message)
    for device in devices:
        _check_device(device)
    return Outcome(tuple(device.to_json() for device in devices), (), 0, "")


def _check_refusal(error: UsageError) -> None:
    assert acting_in(error.message + error.advice) == []


def _check_faults(error: ManifestError, manifest: str, content: bytes) -> None:
    assert len(error.faults) == min(error.total, 100)
    assert list(error.faults) == sorted(error.faults)
    for fault in error.faults:
        _check_fault(fault, manifest, content)


def _check_fault(fault: Fault, manifest: str, content: bytes) -> None:
    shown = str(fault)
    assert acting_in(shown) == []
    assert "\n" not in shown
    assert 0 < len(shown) < _LONGEST
    assert fault.line >= 1
    assert fault.column >= 1
    if fault.file == manifest:  # and not a file that a TOML manifest names
        lines = content.split(b"\n")
        assert fault.line <= len(lines)
        assert fault.column <= len(lines[fault.line - 1]) + 1


def _check_device(device: Device) -> None:
    names = [device.thing_name, *device.groups, device.thing_type or "x", device.billing_group or "x"]
    assert all(_NAME.fullmatch(name) for name in names)
    assert 1 <= len(device.common_name) <= 64
    assert acting_in(device.common_name) == []
    assert all(len(value) <= 800 for value in device.attributes.values())
    assert acting_in("".join([*device.attributes, *device.attributes.values(), device.policy or ""])) == []
    assert Device.from_json(device.to_json(), device.line) == device
