"""thingmill as a side of a benchmark: its manifests, its command line, and the events that it prints."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from benchmarks.children import THINGMILL, FailedError
from pipeline.aws.quotas import DEFAULTS

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_command", "manifest", "names", "reached", "run_command"]

_AMPLE = 5000.0
"""Calls per second of each operation: more than a machine can make."""


def names(devices: int) -> list[str]:
    """Return the names of so many things."""
    return [f"BenchThing{row:07}" for row in range(1, devices + 1)]


def manifest(folder: Path, devices: int) -> Path:
    """Return the path of a manifest of so many devices, each with two attributes; it is written once."""
    path = folder / f"rows-{devices}.csv"
    if not path.exists():
        with path.open("w", encoding="ascii") as file:
            file.write("thing_name,serial_number,hw_rev\n")
            file.writelines(f"{name},SN-{name[-7:]},A{name[-1]}\n" for name in names(devices))
    return path


def check_command(manifest: Path) -> list[str]:
    """Return the words of ``thingmill check``."""
    return [THINGMILL, "check", str(manifest)]


def run_command(
    manifest: Path, url: str | None, output: Path, key: str, *options: str, certificates: float = _AMPLE
) -> list[str]:
    """Return the words of a run.

    Args:
        manifest: What to provision.
        url: The double, or None where a profile leads to it.
        output: Where the run lands, under the manifest's name.
        key: The type of the keys.
        options: More of them, such as ``--json`` or ``--quiet``.
        certificates: The quota of CreateCertificateFromCsr; those of the other operations are ample.
    """
    quotas = dict.fromkeys(DEFAULTS, _AMPLE) | {"CreateCertificateFromCsr": certificates}
    words = [THINGMILL, "run", str(manifest), "--yes", "--key", key]
    words += [] if url is None else ["--endpoint-url", url]
    words += ["--output", str(output), *options]
    return words + [word for name, rate in quotas.items() for word in ("--quota", f"{name}={rate:g}")]


def reached(events: Path, state: str, devices: int | None = None) -> list[float]:
    """Return when each device reached a state, in seconds of the epoch, in order.

    Args:
        events: What a run printed.
        state: The name of the state.
        devices: How many there should be; None where only some were provisioned.

    Raises:
        FailedError: Another number of devices did.
    """
    found = []
    with events.open(encoding="utf-8") as lines:
        for line in lines:
            # Most lines tell of other states, and parsing is slow.
            if f'"{state}"' in line:
                event: dict[str, Any] = json.loads(line)
                if event["event"] != "reached":
                    continue  # the summary names all states
                found.append(datetime.fromisoformat(event["time"]).timestamp())
    if devices is not None and len(found) != devices:
        raise FailedError(f"{len(found)} of {devices} devices are {state}")
    return sorted(found)
