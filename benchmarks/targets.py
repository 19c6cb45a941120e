"""Two accounts in one manifest: half the time of one, at the same quota each.

Each account is a double of its own, with a profile that leads to it, and throttles at the same rate.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import children, product
from benchmarks.double import Double, arrivals, limit
from benchmarks.harness import Table, median, spread, verdict

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["measure"]

API = "CreateCertificateFromCsr"
RATE = 15
DEVICES = 900
TARGETS = ("one", "two")


def measure(*, quick: bool) -> Table:
    """Measure all devices on one account, and half of them on each of two, by turns."""
    table = Table(
        f"Targets: accounts in one manifest, each granted {RATE} {API} a second",
        ("accounts", "devices", "seconds", "asking, s", "throttled", "of the time of one", "asking", "≤ 0.55"),
    )
    devices = 60 if quick else DEVICES
    rounds = 1 if quick else 3
    with children.workplace() as folder:
        runs = [
            (accounts, _run(folder / f"{turn}-{accounts}", devices, accounts))
            for turn in range(rounds)
            for accounts in (1, 2)
        ]
    alone, asking_alone = (median([times[at] for number, times in runs if number == 1]) for at in (0, 1))
    for accounts in (1, 2):
        took, asking = ([times[at] for number, times in runs if number == accounts] for at in (0, 1))
        throttled = sum(times.throttled for number, times in runs if number == accounts)
        ratio = median(took) / alone
        table.rows.append(
            (
                str(accounts),
                str(devices),
                spread(took),
                spread(asking),
                f"{100 * throttled / (rounds * devices):.2f} %",
                f"{ratio:.3f}",
                f"{median(asking) / asking_alone:.3f}",
                verdict(ratio <= 0.55, "≤ 0.55") if accounts > 1 else "",
            )
        )
    table.note(
        f"ec-p256, {rounds} rounds; seconds: the whole of the command, start-up and joint reports included; "
        "asking: from the first call for a certificate to the last; quotas of all other operations ample; each "
        f"double throttles with a bucket of {RATE} a second and a burst of 1.5"
    )
    return table


class _Times(NamedTuple):
    """The seconds of a run, those between its first call for a certificate and the last, and its throttles."""

    seconds: float
    asking: float
    throttled: int


def _run(folder: Path, devices: int, accounts: int) -> _Times:
    folder.mkdir()
    with ExitStack() as stack:
        doubles = [stack.enter_context(Double()) for _ in range(accounts)]
        profiles = []
        for name, double in zip(TARGETS, doubles, strict=False):
            double.ask(limit, API, float(RATE), 0.1 * RATE)
            profiles.append(
                f"[profile {name}]\nregion = eu-west-1\nendpoint_url = {double.url}\n"
                "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = not-a-secret\n"
            )
        config = folder / "config"
        config.write_text("".join(profiles), encoding="ascii")
        rows = folder / "rows.csv"
        names = product.names(devices)
        lines = [f"{name},{TARGETS[place % accounts]}\n" for place, name in enumerate(names)]
        rows.write_text("thing_name,profile\n" + "".join(lines), encoding="ascii")
        # The children's environment names no file of profiles.
        words = ["env", f"AWS_CONFIG_FILE={config}"]
        command = product.run_command(rows, None, folder, "ec-p256", "--quiet", certificates=RATE)
        took = children.run_to_end(words + command)
        calls = [call for double in doubles for call in double.ask(arrivals, API)]
    issued = sum(call.outcome == "ok" for call in calls)
    if issued != devices:
        raise children.FailedError(f"{issued} certificates for {devices} devices")
    times = [call.started for call in calls]
    return _Times(took, max(times) - min(times), len(calls) - issued)
