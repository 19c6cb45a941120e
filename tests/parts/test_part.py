"""Which part a device is of: worked out of its name, the same everywhere and for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.part import MOST_PARTS, Part

NAMES = st.text("abcXYZ019:_-", min_size=1, max_size=128)
PARTS = st.integers(1, MOST_PARTS)


@given(NAMES, st.integers(1, 60))
def test_each_device_is_of_one_part(name: str, parts: int) -> None:
    """However many parts there are, a name is of exactly one of them: nothing is left out, nothing done twice."""
    assert sum(Part(number, parts).holds(name) for number in range(1, parts + 1)) == 1


@given(NAMES, st.integers(1, 60))
def test_a_name_in_another_case_is_of_the_same_part(name: str, parts: int) -> None:
    """Names that differ only by case are one device for a manifest, so they are of one part."""
    assert [Part(k, parts).holds(name) for k in range(1, parts + 1)] == [
        Part(k, parts).holds(name.swapcase()) for k in range(1, parts + 1)
    ]


def test_the_division_never_changes() -> None:
    """What is of a part in this version is of it in every other: a part that was begun can be gone on with."""
    names = ["TestThing001", "unit-7", "A", "x" * 128, "a:b_c-d"]
    assert [next(k for k in range(1, 11) if Part(k, 10).holds(name)) for name in names] == [9, 10, 1, 1, 6]


def test_parts_are_of_about_one_size() -> None:
    """Stations finish at about the same time: of 10,000 serial numbers no tenth is 15 % off."""
    names = [f"line-7-{number:05}" for number in range(10_000)]
    sizes = [sum(Part(k, 10).holds(name) for name in names) for k in range(1, 11)]
    assert sum(sizes) == 10_000
    assert max(abs(size - 1000) for size in sizes) < 150


@given(PARTS, PARTS)
def test_a_part_is_read_as_it_is_written(number: int, parts: int) -> None:
    """K/N names a part where K is among the N, and is what the part is called."""
    text = f"{number}/{parts}"
    if number > parts:
        with pytest.raises(UsageError, match="no part"):
            Part.of(text)
    else:
        assert str(Part.of(text)) == text
        assert Part.of(text).suffix == f"{number}-of-{parts}"


@pytest.mark.parametrize(
    "text", ["", "3", "0/3", "4/3", "03/10", "3/10 ", "-1/3", "1/10001", "٣/10", "3/1e1", "3of10"]
)
def test_what_is_no_part_is_refused(text: str) -> None:
    """A slip of the finger is no part that nobody meant."""
    with pytest.raises(UsageError, match="is no part of a manifest"):
        Part.of(text)


def test_a_job_of_aws_batch_knows_its_part() -> None:
    """AWS Batch counts from 0, parts from 1: the first of ten jobs has 1/10, the last 10/10."""
    said = {"AWS_BATCH_JOB_ARRAY_SIZE": "10"}
    assert str(Part.of_batch(said | {"AWS_BATCH_JOB_ARRAY_INDEX": "0"})) == "1/10"
    assert str(Part.of_batch(said | {"AWS_BATCH_JOB_ARRAY_INDEX": "9"})) == "10/10"


@pytest.mark.parametrize(
    ("index", "size"), [("", "10"), ("3", ""), ("10", "10"), ("-1", "10"), ("x", "10"), ("0", "0")]
)
def test_what_is_no_job_of_an_array_is_refused(index: str, size: str) -> None:
    """Outside of an array job nobody gets a part by accident."""
    with pytest.raises(UsageError, match="array jobs of AWS Batch"):
        Part.of_batch({"AWS_BATCH_JOB_ARRAY_INDEX": index, "AWS_BATCH_JOB_ARRAY_SIZE": size})
