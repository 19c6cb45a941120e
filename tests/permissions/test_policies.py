"""What is printed for IAM and for devices: as narrow as AWS allows, for the right place, and short enough."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from pipeline.arns import Place
from pipeline.device_policy import MOST_CHARACTERS, device_policy
from pipeline.errors import UsageError
from pipeline.permissions import FREE, NEEDS, calls, iam_policy

ACCOUNT = "123456789012"
PLACE = Place("eu-central-1", ACCOUNT)
NAME = "${iot:Connection.Thing.ThingName}"

WITHOUT_RESOURCE = {
    "iot:CreateCertificateFromCsr",
    "iot:DescribeEndpoint",
    "iot:ListAttachedPolicies",
    "iot:ListCertificates",
    "servicequotas:ListAWSDefaultServiceQuotas",
    "servicequotas:ListServiceQuotas",
}
"""Actions of ours that have no type of resource in the Service Authorization Reference."""


def printed(*arguments: str, expect: int = 0) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == expect, ended.stderr
    return ended.stdout if expect == 0 else ended.stderr


def resources_by_action(document: dict[str, Any]) -> dict[str, Any]:
    """Return what each action is allowed on; an action that stands in two statements is a fault."""
    found: dict[str, Any] = {}
    for statement in document["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in statement["Action"]:
            assert action not in found
            found[action] = statement["Resource"]
    return found


@pytest.mark.parametrize("command", NEEDS)
def test_a_policy_allows_what_a_subcommand_calls_and_nothing_else(command: str) -> None:
    """Each operation is one action, none has a wildcard, and what needs no permission is not asked for."""
    actions = resources_by_action(iam_policy([command], PLACE)).keys()
    assert {action.partition(":")[2] for action in actions} == calls([command]) - FREE
    assert all(re.fullmatch("(iam|iot|servicequotas):[A-Za-z]+", action) for action in actions)


def test_only_what_aws_cannot_restrict_is_allowed_everywhere() -> None:
    """An action that has a type of resource is bound to the account, the Region, and that type."""
    resources = resources_by_action(iam_policy(NEEDS, PLACE))
    assert {action for action, allowed in resources.items() if allowed == "*"} == WITHOUT_RESOURCE
    arns = {arn for allowed in resources.values() if allowed != "*" for arn in allowed}
    kinds = {"billinggroup", "cert", "policy", "thing", "thinggroup", "thingtype"}
    people = {f"arn:aws:iam::{ACCOUNT}:{kind}/*" for kind in ("role", "user")}
    assert arns == people | {f"arn:aws:iot:eu-central-1:{ACCOUNT}:{kind}/*" for kind in kinds}


def test_policies_may_not_be_attached_to_groups() -> None:
    """The tool attaches policies to certificates, so a key that leaks cannot give a whole group one."""
    resources = resources_by_action(iam_policy(["run"], PLACE))
    assert resources["iot:AttachPolicy"] == [PLACE.iot("cert/*")]


def test_the_largest_policy_fits_into_a_managed_policy() -> None:
    """All subcommands together stay below the 6,144 characters of a customer managed policy."""
    assert len(json.dumps(iam_policy(NEEDS, Place("us-gov-west-1", ACCOUNT)), separators=(",", ":"))) < 6144


def test_a_region_has_its_partition() -> None:
    """Every Region that botocore knows gets the partition that botocore knows it in."""
    session = get_session()
    for partition in session.get_available_partitions():
        for region in session.get_available_regions("iot", partition):
            assert Place(region).partition == session.get_partition_for_region(region) == partition
    known = {"us-iso-east-1", "us-isob-east-1", "us-isof-south-1", "eu-isoe-west-1", "eusc-de-east-1"}
    for region in known:
        assert Place(region).partition == session.get_partition_for_region(region)


def test_iam_prints_the_policy_of_several_subcommands() -> None:
    """What is named on the command line is allowed together, for the account and Region that are given."""
    out = printed("iam", "plan", "revoke", "--account", ACCOUNT, "--region", "cn-north-1")
    assert json.loads(out) == iam_policy(["plan", "revoke"], Place("cn-north-1", ACCOUNT))


def test_iam_refuses_what_needs_nothing() -> None:
    """A subcommand that goes nowhere, or is none, gets no policy but a sentence, and no escape sequence."""
    assert "calls nothing on AWS" in printed("iam", "check", expect=2)
    assert "\x1b" not in printed("iam", "\x1b[31m", expect=2)


@pytest.mark.parametrize("wrong", [("--account", "12345"), ("--region", "mars/*")])
@pytest.mark.parametrize("command", ["iam", "policy"])
def test_a_place_that_cannot_be_is_refused(command: str, wrong: tuple[str, str]) -> None:
    """No number or name that is wrong gets into an ARN."""
    assert f"{wrong[0]} {wrong[1]}" in printed(command, *wrong, expect=2)


def test_a_device_may_be_itself_and_nothing_else() -> None:
    """Connect has the thing's own client id and the condition; topics and filters carry the thing's name."""
    where = f"arn:aws-us-gov:iot:us-gov-west-1:{ACCOUNT}"
    document = json.loads(printed("policy", "--account", ACCOUNT, "--region", "us-gov-west-1", "--topic", "a/b"))
    connect = document["Statement"][0]
    assert connect["Condition"] == {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}}
    assert resources_by_action(document) == {
        "iot:Connect": [f"{where}:client/{NAME}"],
        "iot:Publish": [f"{where}:topic/a/b/{NAME}/*"],
        "iot:Receive": [f"{where}:topic/a/b/{NAME}/*"],
        "iot:Subscribe": [f"{where}:topicfilter/a/b/{NAME}/*"],
    }


def test_json_is_the_same_policy_on_one_line() -> None:
    """--json changes the white space and nothing else."""
    where = ("--account", ACCOUNT, "--region", "eu-central-1", "--topic", "things", "--topic", "$aws/things")
    one, many = printed("policy", *where, "--json"), printed("policy", *where)
    assert one.count("\n") == 1
    assert json.loads(one) == json.loads(many) == device_policy(PLACE, ["things", "$aws/things"])


NO_PREFIXES = ("", "/", "a/", "/a", "a//b", "a/+", "#", "a*", "a?", "${iot:ClientId}", "a b", "\x1b[31m", "$aws")


@pytest.mark.parametrize("prefix", [*NO_PREFIXES, "a/b/c/d/e/f/g"])
def test_what_is_no_prefix_is_refused(prefix: str) -> None:
    """A wildcard, a variable, an empty level, too many levels, or what cannot be seen gets into no policy."""
    with pytest.raises(UsageError, match="is no prefix of topics"):
        device_policy(PLACE, [prefix])


@given(st.lists(st.text("abcdefgh/-", min_size=1, max_size=60), min_size=1, max_size=30))
def test_a_device_policy_is_never_too_long_for_aws(topics: list[str]) -> None:
    """However many prefixes are asked for, what is printed has at most 2,048 characters, or it is refused."""
    try:
        document = device_policy(Place("ap-southeast-5", ACCOUNT), topics)
    except UsageError:
        return
    assert len(json.dumps(document, separators=(",", ":"))) <= MOST_CHARACTERS
