"""Where the calls per second come from."""

from __future__ import annotations

import anyio
import pytest

from pipeline.aws import account_quotas, quotas
from pipeline.aws.quotas import Grant
from pipeline.errors import UsageError
from tests.support.awsiot import AwsIotDouble, Fail
from tests.support.clients import quotas_client


def read(double: AwsIotDouble) -> dict[str, Grant]:
    """Return what thingmill reads of an account's quotas."""
    found: dict[str, Grant] = {}

    async def main() -> None:
        async with double, quotas_client(double.url) as client:
            found.update(await account_quotas.read(client))

    anyio.run(main)
    return found


def test_the_applied_value_wins_over_the_default_and_both_over_the_table() -> None:
    """An account that had a quota raised is used at the raised rate; what it does not say comes from the table."""
    double = AwsIotDouble()
    double.account.quotas.update({"CreateCertificateFromCsr API TPS": 50.0, "Something else": 3.0})
    double.account.default_quotas.update({"CreateCertificateFromCsr API TPS": 15.0, "AttachPolicy API TPS": 16.0})
    account = read(double)
    assert account == {"CreateCertificateFromCsr": Grant(50, "account"), "AttachPolicy": Grant(16, "AWS default")}
    granted = quotas.granted("eu-west-1", {"AttachPolicy": 7.0}, account)
    assert granted["CreateCertificateFromCsr"] == Grant(50, "account")
    assert granted["AttachPolicy"] == Grant(7, "--quota")
    assert granted["CreateThing"] == Grant(100, "table")


def test_all_pages_of_quotas_are_read() -> None:
    """A quota on the third page counts like one on the first."""
    double = AwsIotDouble()
    double.account.quotas.update({f"Quota {number}": 1.0 for number in range(250)})
    double.account.quotas["AttachPolicy API TPS"] = 99.0
    assert read(double)["AttachPolicy"] == Grant(99, "account")


def test_who_may_not_read_quotas_gets_the_table() -> None:
    """Being denied is no reason to stop: the published defaults serve."""
    double = AwsIotDouble()
    double.account.quotas["AttachPolicy API TPS"] = 99.0
    double.faults.script(None, Fail("AccessDeniedException", 403), times=None)
    assert read(double) == {}


def test_smaller_regions_have_their_own_defaults() -> None:
    """Stockholm grants half as many CreateThing calls as Ireland."""
    assert quotas.granted("eu-north-1", {})["CreateThing"].rate == 50
    assert quotas.granted("eu-west-1", {})["CreateThing"].rate == 100


@pytest.mark.parametrize(
    "option", ["AttachPolicy", "AttachPolicy=", "AttachPolicy=0", "AttachPolicy=nan", "Nope=3"]
)
def test_a_quota_that_makes_no_sense_is_refused(option: str) -> None:
    """--quota takes a known operation and a rate above zero, and says so."""
    with pytest.raises(UsageError, match="--quota"):
        quotas.parse(option)


def test_a_quota_is_found_whatever_its_case() -> None:
    """Operation names match without regard to case."""
    assert quotas.parse("attachpolicy=2.5") == ("AttachPolicy", 2.5)
