"""Columns that say where a row goes: read, checked, and divided."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.manifest import load
from pipeline.settings import Defaults, KeyType
from pipeline.target import MOST_TARGETS, Target
from tests.manifest.manifest_reading import faults_in, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.targets.plant import Plant

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["", "berlin", "dublin"]),
        st.sampled_from(["", "eu-west-1", "us-east-1"]),
        st.sampled_from(["", "p-1", "p-2"]),
        st.sampled_from(["", "g-1", "g-1;g-2"]),
        st.sampled_from(["", "rsa-2048"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(ROWS, st.sampled_from([Defaults(), Defaults(policy="p-0", profile="berlin", region="eu-west-1")]))
def test_each_row_is_of_one_share(tmp_path: Path, rows: list[tuple[str, ...]], defaults: Defaults) -> None:
    """Shares are the manifest divided: each has the rows of its target, and the names that these use alone."""
    lines = [f"thing-{number},{','.join(row)}\n" for number, row in enumerate(rows)]
    path = write(tmp_path, "m.csv", "name,profile,region,policy,group,key_type\n" + "".join(lines))
    with load(str(path), defaults) as roster:
        shares = roster.split()
        assert sum(roster.target_counts().values()) == len(rows)
        for target, share in shares.items():
            own = [
                (number, row)
                for number, row in enumerate(rows)
                if (row[0] or defaults.profile or "", row[1] or defaults.region or "") == target
            ]
            assert [device.thing_name for device in share.devices()] == [f"thing-{number}" for number, _ in own]
            assert share.policies().keys() == {row[2] or defaults.policy for _, row in own} - {None}
            assert share.groups().keys() == {name for _, row in own for name in row[3].split(";") if name}
            assert roster.target_counts()[target] == share.totals().devices == len(own)
            places = [place for place in share.policies().values() if place is not None]
            assert {place.line - 2 for place in places} <= {number for number, _ in own}
        assert set(roster.targets()) == set(shares)
        assert roster.policies().keys() == {name for share in shares.values() for name in share.policies()}
        counts = [Counter(share.key_counts(KeyType.EC_P256)) for share in shares.values()]
        assert sum(counts, Counter[KeyType]()) == roster.key_counts(KeyType.EC_P256)


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (
            "name,region\na,hall-7\n",
            "m.csv:2:3: 'hall-7' is no AWS Region, as eu-central-1 is; an attribute named",
        ),
        (
            "name,profile\na,b]c\n",
            "m.csv:2:3: 'b]c' is no name of an AWS profile; an attribute named profile goes",
        ),
        ("name,profile\na,\x7f\n", "m.csv:2:3: '\\x7f' is no name of an AWS profile"),
        ("name,regin\na,x\n", "m.csv:1:6: column 'regin' would be a thing attribute; did you mean region?"),
        ("name,aws_profil\na,x\n", "m.csv:1:6: column 'aws_profil' would be a thing attribute; did you mean"),
        ("name,region,AWS Region\na,,\n", "m.csv:1:13: columns 'region' and 'AWS Region' both mean region"),
    ],
)
def test_faults_have_their_place(tmp_path: Path, rows: str, fault: str) -> None:
    """What names no Region or profile is named with its cell, and with what to do where it is an attribute."""
    [found] = faults_in(write(tmp_path, "m.csv", rows))
    assert found.startswith(fault)


def test_too_many_targets_are_a_fault(tmp_path: Path) -> None:
    """A column that was taken for another is told before a run is made for each of its values."""
    names = [f"profile-{number}" for number in range(MOST_TARGETS + 1)]
    path = write(tmp_path, "m.csv", "name,profile\n" + "".join(f"x-{name},{name}\n" for name in names))
    assert faults_in(path) == [f"m.csv:{MOST_TARGETS + 2}:14: a manifest names 64 accounts and Regions at most"]


def test_an_attribute_may_have_such_a_name(tmp_path: Path) -> None:
    """In the object 'attributes' of a JSON line it is one, and the row goes where the others go."""
    line = {"thing_name": "a", "attributes": {"region": "north", "profile": "A2"}}
    with load(str(write(tmp_path, "m.jsonl", json.dumps(line))), Defaults()) as roster:
        assert roster.targets() == (Target(),)
        [device] = roster.devices()
    assert device.attributes == {"region": "north", "profile": "A2"}


def test_check_says_where_rows_go(plant: Plant) -> None:
    """Each account and Region with its rows, also as JSON; nothing where rows name none."""
    plant.write("m.csv", "name,profile,region\na,berlin,eu-west-1\nb,,us-east-1\nc,berlin,eu-west-1\n")
    assert (
        "accounts and Regions: profile berlin in eu-west-1 (2), us-east-1 (1)" in plant.call("check", "m.csv").out
    )
    told = json.loads(plant.call("check", "m.csv", "--json").out)
    assert told["targets"] == [
        {"profile": "berlin", "region": "eu-west-1", "things": 2},
        {"profile": "", "region": "us-east-1", "things": 1},
    ]
    plant.write("n.txt", "a\n")
    assert "accounts" not in plant.call("check", "n.txt").out


def test_the_slower_target_decides_a_plan(plant: Plant) -> None:
    """Each has its own quotas: the time is that of the one with most devices; all keys are made here."""
    rows = [f"far-{number},us-east-1\n" for number in range(30)] + [f"near-{n},eu-west-1\n" for n in range(90)]
    plant.write("m.csv", "name,region\n" + "".join(rows))
    told = json.loads(plant.call("plan", "m.csv", "--offline", "--key", "ec-p256", "--json").out)
    stages = {stage["name"]: stage for stage in told["stages"]}
    assert told["devices"] == 120
    assert stages["CreateCertificateFromCsr (us-east-1)"]["count"] == 30
    assert stages["key generation"]["count"] == 120
    assert told["seconds"] == stages["CreateCertificateFromCsr (eu-west-1)"]["seconds"] == 90 / 15


def test_tables_of_targets(tmp_path: Path) -> None:
    """[[target]] has the things of an account and Region; a cell says more, and what neither says is the run's."""
    write(tmp_path, "b.csv", "name,region\nfile-1,\nfile-2,us-east-1\n")
    text = (
        '[run]\npolicy = "device"\n\n[[thing]]\nname = "first"\n\n'
        '[[target]]\nprofile = "berlin"\nregion = "eu-central-1"\nthings = "b.csv"\n\n'
        '[[target]]\nregion = "us-west-2"\n\n[[target.thing]]\nname = "table-1"\n\n'
        '[target.thing.attributes]\nregion = "north"\n\n[["target".thing]]\nname = "table-2"\nprofile = "dublin"\n'
    )
    with load(str(write(tmp_path, "m.toml", text)), Defaults(profile="own")) as roster:
        shares = {
            target: [device.thing_name for device in share.devices()] for target, share in roster.split().items()
        }
        attributes = {device.thing_name: device.attributes for device in roster.devices()}
    assert shares == {
        Target("own", ""): ["first"],
        Target("own", "us-west-2"): ["table-1"],
        Target("dublin", "us-west-2"): ["table-2"],
        Target("berlin", "eu-central-1"): ["file-1"],
        Target("berlin", "us-east-1"): ["file-2"],
    }
    assert attributes["table-1"] == {"region": "north"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[[target]]\nregion = "mars"\n', "2:10: 'mars' is no AWS Region, as eu-central-1 is"),
        ("[[target]]\nprofile = 7\n", "2:11: profile takes text"),
        ('[[target]]\nzone = "a"\n', "2:8: 'zone' is unknown here; a target has profile, region, things and"),
        ('[target]\nregion = "eu-west-1"\n', "1:1: a target is a table in double brackets: [[target]]"),
        ('[[target.thing]]\nname = "a"\n', "1:1: [[thing]] comes before the first [[target]], and the things of"),
        (
            '[[target]]\n[[thing]]\nname = "a"\n',
            "2:1: [[thing]] comes before the first [[target]], and the things",
        ),
        ('[[target]]\nthings = "no.csv"\n', "2:10: the things in 'no.csv' cannot be read"),
        (
            '[[target]]\nthings = "x"\n[[target.thing]]\nname = "a"\n',
            "3:1: there is both things = … and [[target.",
        ),
    ],
)
def test_faulty_tables_of_targets(tmp_path: Path, text: str, fault: str) -> None:
    """What is wrong with a target is named where it stands."""
    assert any(found.startswith(f"m.toml:{fault}") for found in faults_in(write(tmp_path, "m.toml", text)))
