"""What IAM says beforehand: denials are refused, and whatever keeps IAM from answering is no failure."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.aws import simulation
from pipeline.aws.simulation import Verdict, principal_of, simulate
from pipeline.errors import RefusedError
from pipeline.part import Part
from pipeline.permissions import FREE, operations
from pipeline.settings import Existing
from tests.core.mill import DOCUMENT
from tests.preflight.findings import assert_untouched, found, told
from tests.support.awsiot import Fail, Hang

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.core.mill import Mill

pytestmark = pytest.mark.anyio

ASK = "SimulatePrincipalPolicy"
DENIED: tuple[str, list[str]] = ("implicitDeny", [])
THERE = "for things that are there already"
DOUBT = "where a request gets no answer or a certificate fails inspection"


async def test_denied_operations_are_refused_each_by_its_name(mill: Mill) -> None:
    """The run ends with 3 before the first device, and names all of them and not only the first."""
    mill.double.account.iam = {"iot:DescribeThing": ("explicitDeny", []), "iot:AttachPolicy": DENIED}
    with pytest.raises(RefusedError, match="denies arn:aws:iam::123456789012:user/line-7 2 of") as caught:
        await mill.run()
    assert caught.value.exit_code == 3
    assert caught.value.details == ("denied: iot:AttachPolicy", "denied: iot:DescribeThing")
    assert "thingmill iam" in caught.value.advice
    assert_untouched(mill)


async def test_a_denial_comes_before_the_first_call_that_fails_for_it(mill: Mill) -> None:
    """Where the account refuses to be looked at, all that is denied is named, not that one call."""
    mill.double.faults.deny("GetPolicy")
    mill.double.account.iam = {"iot:GetPolicy": DENIED, "iot:AttachPolicy": DENIED}
    with pytest.raises(RefusedError) as caught:
        await found(mill)
    assert caught.value.details == ("denied: iot:AttachPolicy", "denied: iot:GetPolicy")


async def test_a_refusal_names_all_that_is_denied_and_when_it_is_needed(mill: Mill) -> None:
    """Each operation of a run is either certainly called, or named with the case it is for; none is forgotten."""
    needed = operations(["run"]) - FREE
    mill.double.account.iam = {f"iot:{operation}": DENIED for operation in needed}
    rows = "name,thing_type,groups,billing_group\none,Pump,hall-a,spares\n"
    settling = (
        "iot:DeleteCertificate, iot:DescribeCertificate, iot:ListAttachedPolicies, iot:ListCertificates, "
        "iot:ListPrincipalThings, iot:UpdateCertificate"
    )
    fresh: dict[str, Any] = {"create_missing": True, "policy": "fresh", "policy_document": DOCUMENT}
    fresh["part"] = Part(1, 2)
    with pytest.raises(RefusedError, match="14 of the 14 operations") as caught:
        await found(mill, rows, suffix=".csv", **fresh)
    assert sum(detail.count("iot:") for detail in caught.value.details) == len(needed)
    assert caught.value.details == (
        "denied: iot:AddThingToThingGroup",
        "denied: iot:AttachPolicy",
        "denied: iot:AttachThingPrincipal",
        "denied: iot:CreateBillingGroup",
        "denied: iot:CreateCertificateFromCsr",
        "denied: iot:CreatePolicy",
        "denied: iot:CreateThingGroup",
        "denied: iot:CreateThingType",
        "denied: iot:DescribeBillingGroup",
        "denied: iot:DescribeEndpoint",
        "denied: iot:DescribeThing",
        "denied: iot:DescribeThingGroup",
        "denied: iot:DescribeThingType",
        "denied: iot:GetPolicy",
        f"denied: iot:AddThingToBillingGroup, needed {THERE} and in no or another billing group",
        "denied: iot:CreateThing, needed for things that are not there yet",
        f"denied: {settling}, needed {DOUBT}",
        "denied: iot:DetachThingPrincipal, needed where another station is at work on the same things",
        f"denied: iot:ListThingPrincipals, needed {THERE}, and with --part for each",
    )


async def test_what_a_run_may_do_without_is_told_and_the_run_goes_on(mill: Mill) -> None:
    """Where a denial matters only in some cases, a person hears which, and the devices are provisioned."""
    mill.double.account.iam = {
        "iot:ListThingPrincipals": DENIED,
        "iot:UpdateCertificate": DENIED,
        "iot:DeleteCertificate": DENIED,
        "iot:ListCertificates": ("implicitDeny", ["aws:SourceIp"]),
    }
    [note] = [note for note in await told(mill) if note.startswith("permissions: ")]
    assert note == (
        "permissions: IAM denies arn:aws:iam::123456789012:user/line-7 "
        f"iot:DeleteCertificate, iot:UpdateCertificate, needed {DOUBT}; iot:ListThingPrincipals, needed {THERE}, "
        "and with --part for each; IAM cannot say beforehand whether it allows ListCertificates"
    )


async def test_things_that_are_there_need_no_leave_to_make_them(mill: Mill) -> None:
    """A rotation of old things goes through without CreateThing."""
    await mill.run()
    mill.double.account.iam = {"iot:CreateThing": DENIED}
    mill.double.faults.deny("CreateThing")
    mill.home /= "again"
    mill.home.mkdir()
    notes = await told(mill, existing=Existing.ROTATE)
    assert any("iot:CreateThing, needed for things that are not there yet" in note for note in notes)


async def test_adding_certificates_looks_for_no_others(mill: Mill) -> None:
    """With --existing add the principals of a thing are never listed, so nobody asks for leave to."""
    mill.double.account.iam = {"iot:ListThingPrincipals": DENIED}
    assert "allows all" in (await found(mill, existing=Existing.ADD))["permissions"].text


async def test_what_a_run_does_not_need_may_be_denied(mill: Mill) -> None:
    """Without groups in the manifest nobody asks for leave to add to one."""
    mill.double.account.iam = {
        "iot:AddThingToThingGroup": DENIED,
        "iot:CreateThingType": DENIED,
        "servicequotas:ListServiceQuotas": DENIED,
    }
    assert "allows all" in (await found(mill))["permissions"].text


async def test_making_may_be_denied_where_everything_is_there(mill: Mill) -> None:
    """With --create-missing, leave to make a type is needed only where one is missing."""
    mill.double.account.iam = {"iot:CreateThingType": DENIED}
    rows = "name,thing_type\none,Pump\n"
    with pytest.raises(RefusedError, match="1 of the"):
        await found(mill, rows, suffix=".csv", create_missing=True)
    mill.double.account.registry.create_type("Pump", {})
    assert "allows all" in (await found(mill, rows, suffix=".csv", create_missing=True))["permissions"].text


async def test_conditions_that_only_a_call_can_meet_are_no_denial(mill: Mill) -> None:
    """A policy that asks for MFA or an address denies a simulation, and perhaps not the run."""
    mill.double.account.iam = {"iot:CreateThing": ("implicitDeny", ["aws:SourceIp"])}
    finding = (await found(mill))["permissions"]
    assert "cannot say beforehand" in finding.text
    assert "CreateThing" in finding.text
    assert not finding.worrying


async def test_it_is_one_question_about_what_the_run_touches(mill: Mill) -> None:
    """Names are those of the manifest, since a policy may allow only some; nothing is asked twice."""
    mill.double.account.registry.create_group("hall-a", None, {})
    mill.double.account.create_policy("strict", DOCUMENT)
    await found(mill, "name,groups,policy\npump,hall-a,strict\n", suffix=".csv")
    [call] = mill.double.journal.find(ASK)
    here = "arn:aws:iot:eu-west-1:123456789012"
    resources = call.params["ResourceArns"]
    assert resources == [
        f"{here}:thing/pump",
        f"{here}:cert/{'0' * 64}",
        f"{here}:policy/strict",
        f"{here}:thinggroup/hall-a",
        "*",
    ]
    assert mill.double.journal.count("GetRole") == 0


async def test_whoever_may_not_ask_gets_a_note_and_a_run(mill: Mill) -> None:
    """The note says that nothing was checked, and what would allow it."""
    mill.double.faults.deny(ASK, "AccessDenied")
    notes = await told(mill)
    assert sum("permissions: they could not be checked" in note for note in notes) == 1
    assert any("iam:SimulatePrincipalPolicy" in note for note in notes)


async def test_an_emulator_without_iam_is_no_worry(mill: Mill) -> None:
    """Only a dry run says that nothing was checked there."""
    mill.double.faults.script(ASK, Fail("InvalidAction", status=400), times=None)
    assert not any("permissions" in note for note in await told(mill))
    mill.double.faults.script(ASK, Fail("InternalFailure", status=500), times=None)
    finding = (await found(mill))["permissions"]
    assert "could not be checked beforehand" in finding.text
    assert not finding.worrying


async def test_no_answer_is_not_waited_for(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some seconds the run goes on without."""
    monkeypatch.setattr(simulation, "LONGEST_SECONDS", 0.2)
    mill.double.faults.script(ASK, Hang(), times=None)
    assert "no answer within 0.2 s" in (await found(mill))["permissions"].text
    await told(mill)


async def test_what_iam_says_reaches_no_terminal_raw(mill: Mill) -> None:
    """Escape sequences in a refusal are written out."""
    mill.double.faults.script(ASK, Fail("AccessDenied", status=403, message="no\u202e!"), times=None)
    assert "no\\u202e!" in (await found(mill))["permissions"].text


@pytest.mark.parametrize("role", ["role/factory", "role/aws-reserved/sso.amazonaws.com/eu-west-1/Line_0a1b"])
async def test_a_session_is_asked_about_as_its_role(mill: Mill, role: str) -> None:
    """Also where the role has a path, which the session's ARN leaves out."""
    mill.double.account.caller = role
    assert "allows all" in (await found(mill))["permissions"].text
    asked = [call.params["PolicySourceArn"] for call in mill.double.journal.find(ASK, outcome="ok")]
    assert asked == [f"arn:aws:iam::123456789012:{role}"]


@pytest.mark.parametrize(
    ("caller", "text"), [("root", "may do everything"), ("federated-user/ann", "neither a user nor a role")]
)
async def test_who_cannot_be_asked_about_is_not(mill: Mill, caller: str, text: str) -> None:
    """IAM simulates users and roles only."""
    mill.double.account.caller = caller
    assert text in (await found(mill))["permissions"].text
    assert mill.double.journal.count(ASK) == 0


@pytest.mark.parametrize(
    "arn", ["", "arn:aws:sts::123456789012:user/moto", "arn:aws:sts::1:assumed-role/a/b", "arn:aws:iam::x:user/a"]
)
def test_a_strange_arn_is_nobody(arn: str) -> None:
    """What an emulator makes up is not sent on."""
    assert principal_of(arn) is None


class Iam:
    """An IAM client that answers as it is told, a page at a time."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.pages = list(pages)
        self.exceptions = self

    class NoSuchEntityException(Exception):  # noqa: N818  botocore's name
        pass

    async def simulate_principal_policy(self, **_: object) -> dict[str, Any]:
        page = self.pages.pop(0)
        return {"EvaluationResults": page, "IsTruncated": bool(self.pages), "Marker": "more"}


def result(action: str, resource: str, decision: str) -> dict[str, Any]:
    return {"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision}


async def verdicts_of(iam: Iam, actions: str, resources: list[str]) -> dict[str, Verdict]:
    @asynccontextmanager
    async def open_iam() -> AsyncIterator[Iam]:
        yield iam

    return await simulate(open_iam, "arn:aws:iam::123456789012:user/a", actions, resources, "eu-west-1")


async def test_answers_by_action_and_resource_are_folded() -> None:
    """One resource that is allowed allows; a denial counts only where each resource was answered for."""
    iam = Iam(
        [result("a", "x", "implicitDeny"), result("a", "y", "allowed"), result("b", "x", "explicitDeny")],
        [result("b", "y", "implicitDeny"), result("c", "x", "implicitDeny"), {}],
    )
    assert await verdicts_of(iam, "abcd", ["x", "y"]) == {
        "a": Verdict.ALLOWED,
        "b": Verdict.DENIED,
        "c": Verdict.UNKNOWN,
        "d": Verdict.UNKNOWN,
    }


@pytest.mark.parametrize("specific", [False, True], ids=["of the operation", "of the resource"])
@pytest.mark.parametrize(
    ("detail", "allowed", "verdict"),
    [
        ("OrganizationsDecisionDetail", {"AllowedByOrganizations": False}, Verdict.UNKNOWN),
        ("OrganizationsDecisionDetail", {"AllowedByOrganizations": True}, Verdict.DENIED),
        ("PermissionsBoundaryDecisionDetail", {"AllowedByPermissionsBoundary": False}, Verdict.UNKNOWN),
        ("PermissionsBoundaryDecisionDetail", {"AllowedByPermissionsBoundary": True}, Verdict.DENIED),
    ],
)
async def test_a_bound_with_conditions_is_no_denial(
    detail: str, allowed: dict[str, bool], verdict: Verdict, *, specific: bool
) -> None:
    """A region lock denies administrators in a simulation, without a word of the values it lacked."""
    said = result("a", "x", "implicitDeny") | {"MissingContextValues": []}
    part: dict[str, Any] = {
        "EvalResourceName": "x",
        "EvalResourceDecision": "implicitDeny",
        "MissingContextValues": [],
    }
    (part if specific else said)[detail] = allowed
    assert await verdicts_of(Iam([said | {"ResourceSpecificResults": [part]}]), "a", ["x"]) == {"a": verdict}
    if not specific:
        assert await verdicts_of(Iam([said]), "a", ["x"]) == {"a": verdict}
