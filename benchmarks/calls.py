"""Devices per second of thingmill, against bare loops that make the same calls and keep nothing.

A rate is devices over the time from the first call about a thing to the last answer, by the double's journal,
for every side alike: start-up counts for none. Within it thingmill makes its keys, keeps its ledger and writes
bundles.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from benchmarks import children, product
from benchmarks.children import PYTHON, FailedError
from benchmarks.double import POLICY, Double, busy_seconds, make_policy, total
from benchmarks.harness import Table, cores, median, spread, verdict
from benchmarks.processes import CpuClock
from benchmarks.reference import TASKS, THREADS, csr_of, new_key

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["measure"]

CALLS = 5
"""A device takes DescribeThing, CreateThing, CreateCertificateFromCsr, AttachThingPrincipal and AttachPolicy."""

PROCESSES = 10

_STAND_IN = (
    "import sys, pathlib, boto3; boto3.client('iot', endpoint_url=sys.argv[2]).create_certificate_from_csr("
    "certificateSigningRequest=pathlib.Path(sys.argv[1]).read_text(), setAsActive=True)"
)


def measure(*, quick: bool) -> Table:
    """Measure all sides, a few rounds of each by turns, and a profile of thingmill besides."""
    table = Table(
        f"Calls: devices per second, {CALLS} calls each, ec-p256",
        ("side", "devices/s", "thingmill against it", "target"),
    )
    rounds, devices, commands = (1, 150, 10) if quick else (3, 1500, 30)
    rates: dict[str, list[float]] = {"thingmill": [], "aio": [], "pool": [], "cli": []}
    used: list[tuple[float, float, float]] = []
    with children.workplace() as folder:
        for turn in range(rounds):
            rate, cpu = _thingmill(folder / f"ours-{turn}", devices)
            rates["thingmill"].append(rate)
            used += cpu
            for side in ("aio", "pool"):
                rates[side].append(_reference(side, devices))
            rates["cli"].append(_command_line(folder / f"cli-{turn}", commands))
        profile = _profile(folder / "profile", devices)
    table.rows.append(("thingmill, 256 lanes, with keys, ledger and bundles", spread(rates["thingmill"]), "", ""))
    tool = "AWS CLI" if _aws() else "a process of boto3 a call (there is no AWS CLI here)"
    for side, name, target in (
        ("aio", f"aiobotocore, {TASKS} tasks, keys made before", 0.95),
        ("pool", f"boto3, {THREADS} threads, keys made before", 1.3),
        ("cli", f"{tool}, xargs -P {PROCESSES}", 50.0),
    ):
        digits = 2 if side == "cli" else 1
        factor = median(rates["thingmill"]) / median(rates[side])
        table.rows.append(
            (name, spread(rates[side], digits), f"{factor:.2f}x", verdict(factor >= target, f"≥ {target:g}x"))
        )
    table.note(
        f"{rounds} rounds of {devices} devices, median (least to most); every side in its own process, against a "
        "new double in another one, without latency or throttles; quotas 5000"
    )
    table.note(
        f"{tool}: {commands} create-certificate-from-csr a round; all {CALLS} calls of a device are taken to cost "
        "what this one costs"
    )
    if used:
        coordinator, workers, double = (median(column) for column in zip(*used, strict=True))
        floor = coordinator + workers + double
        table.note(
            f"CPU a device takes: {coordinator:.1f} ms in the coordinator, {workers:.1f} ms in workers (keys, "
            f"files), {double:.1f} ms in the double, which shares the cores: {floor:.1f} ms in all, so that "
            f"{cores()} cores do {1000 * cores() / floor:.0f} devices/s at the most"
        )
    table.note(_shares(profile, devices))
    table.note("of what thingmill's own code takes on the event loop: " + _places(profile))
    return table


def _thingmill(folder: Path, devices: int) -> tuple[float, list[tuple[float, float, float]]]:
    """Return devices per second, and the ms of CPU a device takes in coordinator, workers and double."""
    folder.mkdir()
    with Double() as double:
        double.ask(make_policy)
        clock, began = CpuClock(double.pid), time.time()
        seconds = children.run_to_end(_command(folder, devices, double.url), meanwhile=clock.read)
        rate = _rate(double, devices)
    # Amid the run, when imports are over and every lane is busy.
    used = clock.between(began + 0.3 * seconds, began + 0.9 * seconds)
    if used is None:
        return rate, []
    each = 1000 / (used.at * rate)
    return rate, [(used.coordinator * each, used.workers * each, used.double * each)]


def _command(folder: Path, devices: int, url: str) -> list[str]:
    rows = product.manifest(folder, devices)
    return product.run_command(rows, url, folder, "ec-p256", "--policy", POLICY, "--quiet")


def _reference(side: str, devices: int) -> float:
    with Double() as double:
        double.ask(make_policy)
        children.run_to_end([PYTHON, "-m", "benchmarks.reference", side, double.url, str(devices)])
        return _rate(double, devices)


def _rate(double: Double, devices: int) -> float:
    for operation in (
        "DescribeThing",
        "CreateThing",
        "CreateCertificateFromCsr",
        "AttachThingPrincipal",
        "AttachPolicy",
    ):
        if (made := double.ask(total, operation)) != devices:
            raise FailedError(f"{made} calls of {operation} for {devices} devices: the sides do not do the same")
    return devices / double.ask(busy_seconds)


def _command_line(folder: Path, commands: int) -> float:
    """Return the devices per second of a process a call."""
    folder.mkdir()
    files = []
    for name in product.names(commands):
        files.append(folder / f"{name}.csr")
        files[-1].write_text(csr_of(new_key("ec-p256"), name), encoding="ascii")
    with Double() as double:
        if aws := _aws():
            words = [aws, "iot", "create-certificate-from-csr", "--set-as-active", "--endpoint-url", double.url]
            words += ["--certificate-signing-request", "file://{}"]
        else:
            words = [PYTHON, "-c", _STAND_IN, "{}", double.url]
        listed = folder / "list"
        listed.write_text("".join(f"{file}\n" for file in files), encoding="utf-8")
        many = f"exec xargs -P {PROCESSES} -I {{}} {shlex.join(words)} < {shlex.quote(str(listed))}"
        seconds = children.run_to_end(["/bin/sh", "-c", many])
        if double.ask(total, "CreateCertificateFromCsr") != commands:
            raise FailedError("not every process made its call")
    return commands / seconds / CALLS


@cache
def _aws() -> str | None:
    """Return the AWS CLI, where there is one that starts."""
    found = shutil.which("aws")
    if found is None:
        return None
    if "/shims/" in found:
        # A shim of pyenv takes a while to find out what it stands for, which is not the CLI's fault.
        asked = subprocess.run(["pyenv", "which", "aws"], capture_output=True, text=True, check=False)
        found = asked.stdout.strip() or found
    starts = subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0
    return found if starts else None


def _profile(folder: Path, devices: int) -> dict[str, Any]:
    folder.mkdir()
    report = folder / "profile.json"
    with Double() as double:
        double.ask(make_policy)
        words = _command(folder, devices, double.url)
        children.run_to_end([PYTHON, "-m", "benchmarks.profiler", str(report), *words[words.index("run") :]])
    profile: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return profile


def _shares(profile: dict[str, Any], devices: int) -> str:
    owners = {
        "client": "the AWS client",
        "loop": "the event loop",
        "thingmill": "thingmill's own code on it",
        "threads": "thingmill's threads (ledger, files)",
    }
    whole = sum(profile[owner] for owner in owners)
    shares = ", ".join(f"{name} {100 * profile[owner] / whole:.0f} %" for owner, name in owners.items())
    ours = profile["thingmill"] + profile["threads"]
    return (
        f"a profile of one more run: {1000 * whole / devices:.2f} ms of CPU a device in the coordinator, of which "
        f"{shares}; **thingmill's share is {100 * ours / whole:.0f} %**"
    )


def _places(profile: dict[str, Any]) -> str:
    return "; ".join(
        f"`{place}` {100 * seconds / profile['thingmill']:.0f} %" for place, seconds in profile["places"][:6]
    )
