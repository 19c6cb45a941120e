"""What a target is called, and which texts are none."""

from __future__ import annotations

import re

import pytest
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.runs import RUN_NAME
from pipeline.target import REGION, Target, profile_fault, region_fault

PROFILES = st.one_of(
    st.just(""),
    st.sampled_from(["default", "factory", "Factory", "fac.tory", "fac-tory", "fac tory", "eu-west-1", "x" * 41]),
    st.text("aAzZ09_-. (é", max_size=50).filter(lambda text: profile_fault(text) is None),
)
REGIONS = st.sampled_from(["", "eu-west-1", "eu-central-1", "us-gov-west-1"])
TARGETS = st.builds(Target, PROFILES, REGIONS)


@given(TARGETS, TARGETS)
def test_two_targets_never_share_a_folder(one: Target, other: Target) -> None:
    """Whatever profiles are called, their folders differ, on disks without regard to case too."""
    assert RUN_NAME.fullmatch(f"lot-{one.name}")
    assert (one == other) == (one.name.casefold() == other.name.casefold())


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (Target("factory", "eu-central-1"), "factory.eu-central-1"),
        (Target("", "us-gov-west-1"), "us-gov-west-1"),
        (Target("line_7-b"), "line_7-b"),
        (Target(), "default"),
    ],
)
def test_plain_names_stay_readable(target: Target, name: str) -> None:
    """What most people call their profiles stands in the folder's name as it is, in every version."""
    assert target.name == name


def test_a_name_never_changes() -> None:
    """Runs that were begun by one version are found by the next: also where a name had to be made."""
    made = [Target("Factory (new)", "eu-central-1").name, Target("eu-west-1").name, Target("default").name]
    assert [re.fullmatch(r"(.+)\.[0-9a-f]{8}", name) is not None for name in made] == [True, True, True]
    assert made[0] == "Factory--new-.eu-central-1.2a55eda8"


def test_every_region_of_aws_is_one() -> None:
    """The pattern takes each Region that botocore knows, of all partitions."""
    session = Session()
    known = {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("iot", partition)
    }
    assert len(known) > 20
    assert all(REGION.fullmatch(region) for region in known)


@pytest.mark.parametrize("text", ["mars", "EU-WEST-1", "eu-west", "eu-west-1a", "hall-7", "A2", "eu-west-1 ", "٣"])
def test_what_is_no_region_is_told(text: str) -> None:
    """An attribute that is called region by mistake is no Region."""
    assert "is no AWS Region" in str(region_fault(text))


@pytest.mark.parametrize("text", ["a\x1b[31m", "x" * 129, " x", "x ", "a\nb", "a]b", "a\u202eb"])
def test_what_is_no_profile_is_told(text: str) -> None:
    """No name of a profile acts on a terminal or is one that a file cannot have."""
    reason = profile_fault(text)
    assert reason is not None
    assert reason.isprintable()
