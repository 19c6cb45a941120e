"""Four stations as processes of their own, on one account that throttles them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.double import Double, limit
from pipeline.aws.quotas import DEFAULTS
from tests.e2e.command import KEYS, Workplace
from tests.support.thorough import sampled

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.awsiot import AwsIotDouble

API = "CreateCertificateFromCsr"
STATIONS = 4
QUOTA = 20.0


@pytest.mark.parametrize(
    ("devices", "bucket"), sampled([(50, 10.0), (150, 2.0), (150, 20.0)], lambda case: case[0] == 50)
)
def test_stations_that_take_all_of_the_quota_for_theirs_are_all_served(
    tmp_path: Path, devices: int, bucket: float
) -> None:
    """Each device has one certificate, whoever was throttled, and no station waited until another was done."""
    quotas = [f"--quota={api}=5000" for api in DEFAULTS] + [f"--quota={API}={QUOTA:g}"]
    with Double() as aws:
        aws.ask(limit, API, QUOTA, bucket)
        running = []
        for station in range(STATIONS):
            workplace = Workplace(tmp_path / f"station-{station}" / "output", KEYS)
            workplace.output.parent.mkdir()
            names = "".join(f"{station}-{number:03}\n" for number in range(devices))
            rows = workplace.manifest("rows.txt", names)
            options = ("--key", "ec-p256", "--yes", "--quiet", "--endpoint-url", aws.url)
            running.append(workplace.start("run", rows, *options, *quotas))
        for process in running:
            _, told = process.communicate(timeout=300)
            assert process.returncode == 0, told
        calls = aws.ask(_calls)
        certificates = aws.ask(_certificates)
    assert set(certificates.values()) == {1}
    assert len(certificates) == STATIONS * devices
    throttled = sum(not admitted for _, admitted in calls)
    # Whoever kept to its own idea of the quota, and never slowed down, would be throttled for most of its calls.
    assert 0 < throttled < len(calls) / 2
    first_done = min(_last(calls, station) for station in range(STATIONS))
    for station in range(STATIONS):
        assert (station, True) in calls[:first_done]


def _calls(double: AwsIotDouble) -> list[tuple[int, bool]]:
    """Return the station of each call for a certificate in their order, and whether it was let through."""
    return [(int(call.subject.partition("-")[0]), call.outcome == "ok") for call in double.journal.find(API)]


def _certificates(double: AwsIotDouble) -> dict[str, int]:
    """Return how many certificates each device has."""
    return {name: len(found) for name, found in double.account.certificates_by_common_name().items()}


def _last(calls: list[tuple[int, bool]], station: int) -> int:
    """Return the place of a station's last call."""
    return max(place for place, (who, _) in enumerate(calls) if who == station)
