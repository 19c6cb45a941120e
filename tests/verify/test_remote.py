"""Each way in which the account is not as the run left it is found and named, by looking alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline.errors import RefusedError
from pipeline.verify import Account, Checks
from tests.core.mill import DOCUMENT, Mill, registry_of
from tests.support.awsiot import AwsIotDouble
from tests.verify.inspecting import keys_of_the_double, verify_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.verify import Verdict
    from tests.support.awsiot.account import Account as DoubleAccount
    from tests.support.awsiot.records import Certificate

GROUPS = ("hall-b", "line-7")
FAULTS: dict[str, Callable[[DoubleAccount, Certificate], object]] = {
    "good": lambda _account, _certificate: None,
    "stripped": lambda account, it: account.detach_policy("device", it.arn),
    "inactive": lambda account, it: account.store.update(it.certificate_id, "INACTIVE"),
    "revoked": lambda account, it: account.store.update(it.certificate_id, "REVOKED"),
    "detached": lambda account, it: account.detach_principal("detached", it.arn),
    "shared": lambda account, it: account.attach_principal("good", it.arn),
    "promoted": lambda account, it: account.attach_policy("admin", it.arn),
    "ungrouped": lambda account, _: account.registry.thing("ungrouped").groups.remove("line-7"),
    "deleted": lambda account, it: account.store.certificates.pop(it.certificate_id),
    "thingless": lambda account, it: remove_thing(account, "thingless", it),
}
"""Things, and what is done to each behind the run's back."""


def remove_thing(account: DoubleAccount, name: str, certificate: Certificate) -> None:
    account.detach_principal(name, certificate.arn)
    account.registry.delete_thing(name, None)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """What is found of all those things in one look, which makes no call that changes anything."""
    home = tmp_path_factory.mktemp("remote")

    async def play() -> dict[str, Verdict]:
        async with AwsIotDouble() as double:
            mill = Mill(double, home)
            for group in GROUPS:
                double.account.registry.create_group(group, None, {})
            double.account.create_policy("admin", DOCUMENT)
            await mill.run("\n".join(FAULTS) + "\n", groups=GROUPS)
            for name, break_ in FAULTS.items():
                [certificate] = mill.certificates(name)
                break_(double.account, certificate)
            before = len(double.journal.calls)
            async with registry_of(mill) as registry:
                found, _ = await verify_now(mill.folder.root, Checks(account=Account(registry)))
            calls = {call.operation for call in double.journal.calls[before:]}
            assert all(call.startswith(("Describe", "List")) for call in calls)
        return {str(verdict.thing_name): verdict for verdict in found}

    with keys_of_the_double():
        return anyio.run(play)


@pytest.mark.parametrize(
    ("name", "codes", "said"),
    [
        ("good", [], ""),
        ("stripped", ["PolicyMissing"], "does not have the policy device"),
        ("inactive", ["NotActive"], "is INACTIVE, not ACTIVE"),
        ("revoked", ["NotActive"], "is REVOKED, not ACTIVE"),
        ("detached", ["NotAttached"], "not attached to its thing"),
        ("shared", ["WrongThing"], "attached to good too"),
        ("promoted", ["ForeignPolicy"], "has the policy admin"),
        ("ungrouped", ["GroupMissing"], "not in the group line-7"),
        ("deleted", ["CertificateUnknown"], "not on the account"),
        ("thingless", ["NotAttached", "ThingMissing"], "its thing is not on the account"),
    ],
)
def test_a_device_that_is_not_as_the_run_left_it(
    verdicts: dict[str, Verdict], name: str, codes: list[str], said: str
) -> None:
    """It is named with what is wrong, and nothing else is said of it."""
    found = verdicts[name].findings
    assert [finding.code for finding in found] == codes
    assert {finding.check.value for finding in found} <= {"remote"}
    assert said in " ".join(finding.message for finding in found)


@pytest.mark.anyio
async def test_a_run_that_left_certificates_inactive_is_held_to_that(mill: Mill) -> None:
    """With --inactive an active certificate is the fault."""
    await mill.run("one\ntwo\n", inactive=True)
    [certificate] = mill.certificates("two")
    mill.double.account.store.update(certificate.certificate_id, "ACTIVE")
    async with registry_of(mill) as registry:
        found, _ = await verify_now(mill.folder.root, Checks(account=Account(registry, active=False)))
    assert {verdict.thing_name: [finding.code for finding in verdict.findings] for verdict in found} == {
        "one": [],
        "two": ["NotInactive"],
    }


@pytest.mark.anyio
async def test_a_look_that_is_denied_ends_it(mill: Mill) -> None:
    """What concerns all devices alike is no device's problem."""
    await mill.run("one\n")
    mill.double.faults.deny("ListPrincipalThings")
    async with registry_of(mill) as registry:
        with pytest.raises(BaseExceptionGroup) as caught:
            await verify_now(mill.folder.root, Checks(account=Account(registry)))
    assert caught.group_contains(RefusedError, match="ListPrincipalThings")
