"""What must be true of the account before the first device: found out by asking, and made only when told to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pipeline.aws.registry import Registry
from pipeline.errors import RefusedError
from tests.core.mill import DOCUMENT, POLICY
from tests.support.awsiot import Fail

if TYPE_CHECKING:
    from tests.core.mill import Mill

pytestmark = pytest.mark.anyio

ROWS = (
    "name,thing_type,groups,billing_group,policy\n"
    "one,Pump,hall-a;pilot,spares,\n"
    "two,Valve,hall-a,,strict\n"
    "three,Valve,hall-b,,strict\n"
)


async def test_everything_that_is_missing_is_named_with_its_place(mill: Mill) -> None:
    """Types, groups, billing groups and policies are named where the manifest asks for them first."""
    with pytest.raises(RefusedError) as caught:
        await mill.run(ROWS, suffix=".csv", policy="lost")
    place = mill.home / "manifest.csv"
    assert caught.value.exit_code == 3
    assert caught.value.details == (
        f"{place}:2:5: there is no thing type Pump",
        f"{place}:3:5: there is no thing type Valve",
        f"{place}:2:10: there is no thing group hall-a",
        f"{place}:2:10: there is no thing group pilot",
        f"{place}:4:13: there is no thing group hall-b",
        f"{place}:2:23: there is no billing group spares",
        "the command line: there is no policy lost",
        f"{place}:3:19: there is no policy strict",
    )
    assert "--create-missing" in caught.value.advice
    assert caught.value.message.endswith(
        "lacks 2 thing types, 3 thing groups, one billing group and 2 policies that are asked for"
    )


async def test_a_refused_run_leaves_nothing(mill: Mill) -> None:
    """No key, no run folder, and no call that changes the account."""
    with pytest.raises(RefusedError):
        await mill.run(policy="lost")
    assert not mill.folder.root.exists()
    assert mill.double.journal.mutating_calls == 0


async def test_create_missing_makes_types_and_groups(mill: Mill) -> None:
    """Told so, the run makes what is missing before its first device, and makes nothing twice."""
    mill.double.account.create_policy("strict", DOCUMENT)
    mill.double.account.registry.create_group("hall-a", None, {})
    run = await mill.run(ROWS, suffix=".csv", create_missing=True)
    assert run.summary is not None
    assert run.summary.outcomes["done"] == 3
    registry = mill.double.account.registry
    assert (set(registry.types), set(registry.billing_groups)) == ({"Pump", "Valve"}, {"spares"})
    assert set(registry.groups) == {"hall-a", "hall-b", "pilot"}
    made = [call.operation for call in mill.double.journal.calls if call.mutating]
    assert made[:5].count("CreateThingType") == 2
    assert made[:5].count("CreateThingGroup") == 2
    assert made[:5].count("CreateBillingGroup") == 1
    assert [call.subject for call in mill.double.journal.find("CreateThingGroup")] == ["pilot", "hall-b"]


async def test_create_missing_makes_no_policy(mill: Mill) -> None:
    """A policy is authority: it is made from a file that the user gives, never out of nothing."""
    with pytest.raises(RefusedError, match="lacks one policy that is asked for"):
        await mill.run(policy="lost", create_missing=True)
    assert set(mill.double.account.policies) == {POLICY}


async def test_a_policy_file_is_made_a_policy_where_there_is_none(mill: Mill) -> None:
    """--policy FILE.json: the document is created under the file's name, and every device gets it."""
    await mill.run(policy="fresh", policy_document=DOCUMENT)
    assert json.loads(mill.double.account.policies["fresh"].document) == json.loads(DOCUMENT)
    [certificate] = mill.certificates("one")
    assert certificate.policies == ["fresh"]


async def test_a_policy_with_the_same_document_is_used(mill: Mill) -> None:
    """The same document, however it is laid out, is the same policy."""
    await mill.run(policy=POLICY, policy_document=json.dumps(json.loads(DOCUMENT), indent=4))
    assert mill.double.journal.count("CreatePolicy") == 0
    [certificate] = mill.certificates("one")
    assert certificate.policies == [POLICY]


async def test_a_policy_with_another_document_is_refused(mill: Mill) -> None:
    """A policy that others may rely on is neither used under false colours nor changed."""
    other = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
    )
    with pytest.raises(RefusedError, match=f"policy {POLICY} exists with another document"):
        await mill.run(policy=POLICY, policy_document=other)
    assert mill.double.account.policies[POLICY].document == DOCUMENT
    assert mill.double.journal.mutating_calls == 0
    assert not mill.folder.root.exists()


async def test_credentials_that_are_not_accepted_end_the_run_first(mill: Mill) -> None:
    """The question who we are comes first, and its refusal carries advice."""
    mill.double.faults.deny("GetCallerIdentity", "InvalidClientTokenId")
    with pytest.raises(RefusedError, match="InvalidClientTokenId") as caught:
        await mill.run()
    assert "profile" in caught.value.advice
    assert mill.double.journal.count("GetCallerIdentity") == 1
    assert mill.double.journal.count("DescribeEndpoint") == 0
    assert not mill.folder.root.exists()


async def test_questions_survive_throttles_and_lost_answers(mill: Mill) -> None:
    """What only asks is asked again."""
    mill.double.faults.script("GetCallerIdentity", Fail("ThrottlingException"))
    mill.double.faults.script("GetPolicy", Fail("InternalFailureException"))
    mill.double.faults.script("DescribeEndpoint", Fail("ServiceUnavailableException"))
    run = await mill.run()
    assert run.summary is not None
    assert run.summary.outcomes["done"] == 1


async def test_looking_changes_nothing(mill: Mill) -> None:
    """A dry run tells account, endpoint and what would be made, and leaves account and disk as they are."""
    run = mill.prepare(ROWS, suffix=".csv", create_missing=True, policy="strict", policy_document=DOCUMENT)
    with run.roster:
        account = await run.look()
    assert account.identity.account == "123456789012"
    assert account.endpoint.host == "a1b2c3d4e5f6g7-ats.iot.eu-west-1.amazonaws.com"
    assert account.missing == {
        "thing type": ("Pump", "Valve"),
        "thing group": ("hall-a", "pilot", "hall-b"),
        "billing group": ("spares",),
        "policy": ("strict",),
    }
    assert mill.double.journal.mutating_calls == 0
    assert not mill.folder.root.exists()


@pytest.mark.parametrize(
    ("answer", "endpoint"),
    [("iot.example.net", ("iot.example.net", 8883)), ("localhost:4711", ("localhost", 4711))],
)
async def test_the_port_of_an_emulator_is_no_part_of_its_name(
    mill: Mill, monkeypatch: pytest.MonkeyPatch, answer: str, endpoint: tuple[str, int]
) -> None:
    """Where DescribeEndpoint names a port, bundles have it as their port, and 8883 otherwise."""
    answering(monkeypatch, answer)
    await mill.run()
    config = json.loads((mill.folder.bundle("one") / "config.json").read_text(encoding="utf-8"))
    assert (config["endpoint"], config["port"]) == endpoint


@pytest.mark.parametrize("answer", ["iot.example:", "iot.example:0", "iot.example:65536", "a b", "a/b"])
async def test_what_is_no_endpoint_is_refused(mill: Mill, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Where DescribeEndpoint answers no host, no bundle is made that could not connect."""
    answering(monkeypatch, answer)
    with pytest.raises(RefusedError, match="no host name"):
        await mill.run()
    assert not mill.folder.root.exists()


def answering(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Have DescribeEndpoint answer this."""

    async def described(_: Registry) -> str:
        return answer

    monkeypatch.setattr(Registry, "describe_endpoint", described)
