"""What counts as the same output, and what does not."""

from __future__ import annotations

import pytest

from tests.documents.shapes import matches


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ("took          0:14, 1.8 devices/s", "took          1:03:05, 12.9 devices/s   "),
        (
            "account 123456789012 as arn:aws:iam::123456789012:root",
            "account 000000000000 as arn:aws:iam::1" + 11 * "0" + ":root",
        ),
        ("SHA2-256(stdin)= " + 64 * "a", "(stdin)= " + 64 * "b"),
        ("subject=CN = pump-1", "subject=CN=pump-1"),
        ("last change at 2026-11-25T17:04:01.948854Z", "last change at 2027-01-01T00:00:00Z"),
        ("notAfter=Dec 31 23:59:59 2049 GMT", "notAfter=Jan  1 00:00:00 2027 GMT"),
        ("disk: of 84 GB free 83 kB are needed", "disk: of 1,200 MB free 90 kB are needed"),
        (
            "devices connect to a1-ats.iot.eu-central-1.amazonaws.com:8883",
            "devices connect to b2-ats.iot.us-east-1.localhost:8883",
        ),
        ("done 3", "done          3      "),
        ("plant: … of 1,000 devices are done", "plant: 12 of 1,000 devices are done"),
    ],
)
def test_figures_that_no_two_runs_share_do_not_count(shown: str, real: str) -> None:
    """Times, hashes, accounts, sizes and the width of columns may differ, and what … stands for."""
    assert matches((shown,), [real])


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ("3 devices are done", "4 devices are done"),
        ("1,000 keys are made here", "1,001 keys are made here"),
        ("would make the policy pump", "would make the policy pumps"),
        ("at 15.0/s", "at 15.0/min"),
        ("connect  3 of 3 in order", "connect  3 of 3 connected"),
        ("plant: … of 1,000 devices", "plant: of 1,000 devices"),
        ("…", ""),
    ],
)
def test_words_and_numbers_of_devices_count(shown: str, real: str) -> None:
    """Another word, or another number of devices, is other output, and … stands for something."""
    assert not matches((shown,), [real])


def test_lines_are_left_out_where_it_is_said_and_nowhere_else() -> None:
    """A line of … stands for one line or more; all others have to be there, in order, to the end."""
    real = ["a", "b", "c", "d"]
    assert matches(("a", "…", "d"), real)
    assert matches(("…", "c", "d"), real)
    assert matches(("a", "…"), real)
    for shown in (
        ("a", "d"),
        ("a", "b", "c"),
        ("b", "…"),
        ("a", "b", "c", "d", "…"),
        ("a", "c", "…"),
        ("d", "…", "a"),
    ):
        assert not matches(shown, real)


def test_empty_lines_count_within() -> None:
    """Empty lines at either end do not count, those in between do."""
    assert matches(("a", "", "b"), ["", "a", "", "b", "", ""])
    assert not matches(("a", "b"), ["a", "", "b"])
